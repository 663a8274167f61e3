"""The reward model over HTTP."""
