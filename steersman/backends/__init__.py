"""Generators, scorers and judges behind the protocols."""
