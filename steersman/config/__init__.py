"""YAML text to frozen settings: an unknown key is an error, `--set a.b=c` overrides, the resolved form is dumped."""
