"""Who rates what: the 3 -> 5 rule and the modelled crowd. Tables in, tables out; the site is in `web`."""
