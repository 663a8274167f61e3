"""Numbers about numbers: agreement, models of raters, intervals. Numpy and scipy only, no domain words."""
