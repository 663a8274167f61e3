"""One reader for each published collection: its rows in, rows of our tables out; no file is opened here."""
