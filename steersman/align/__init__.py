"""Alignment of a policy with preferences, one file per objective."""
