"""Choose prompts: diverse samples, held-out sets, and what a collection consists of."""
