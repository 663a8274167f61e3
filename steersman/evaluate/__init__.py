"""Formulas of evaluation: pairwise accuracy, baselines, policies before and after, length. Arrays in, records out."""
