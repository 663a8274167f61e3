"""Where prompts, human labels and models come from: package data, local folders and the hub."""
