"""One language model on any device: loading, chat text to tokens, group packing, layers, log-probs, sampling."""
