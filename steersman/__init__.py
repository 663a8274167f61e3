"""The open, end-to-end system for the HelpSteer2 way of aligning language models."""

__version__ = "0.1.0"
