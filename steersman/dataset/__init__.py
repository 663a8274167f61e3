"""Ratings to labels: selection of the most-agreeing ratings, removal of disputed tasks, examples, pairs, the card."""
