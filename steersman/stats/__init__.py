"""Numbers about numbers: agreement, bootstrap intervals. Numpy only, no domain words."""
