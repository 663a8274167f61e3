"""The training room: one loop for every objective, the same result for the same seed."""
