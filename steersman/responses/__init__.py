"""Who answers what: two different generators per prompt. Tables in, tables out; the models are in `backends`."""
