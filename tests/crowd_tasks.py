"""Tasks for the modelled crowd to rate."""

import numpy as np
import polars as pl


def tasks(number: int) -> pl.DataFrame:
    """Return `number` tasks about bread, the second response of each longer than the first."""
    rng = np.random.default_rng(7)
    words = np.array(["bread", "water", "oven", "flour", "yeast", "dough", "loaf", "crust", "the", "a", "of", "and"])
    rows = [
        {
            "task_id": f"task-{task}",
            "prompt": f"How do I bake bread number {task}?",
            "response_id": f"task-{task}/{position}",
            "response": " ".join(rng.choice(words, size=4 + 60 * position)),
            "position": position,
            "is_finished": bool(rng.integers(2)),
        }
        for task in range(number)
        for position in (0, 1)
    ]
    return pl.DataFrame(rows)
