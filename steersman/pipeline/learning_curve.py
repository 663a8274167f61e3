"""How a reward model's validation figures grow with the number of pairs it is trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from steersman.engine.fit import FitResult
from steersman.errors import ConfigError

# Called with the numbers of the training pairs to use, trains afresh on them.
TrainOn = Callable[[Sequence[int]], FitResult]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A training on so many pairs, and the validation loss and accuracy of the step that was kept."""

    pairs: int
    loss: float
    accuracy: float | None
    best_step: int
    seconds: float

    @classmethod
    def of(cls, pairs: int, fitted: FitResult) -> "CurvePoint":
        """Return the point of one training."""
        best = fitted.best
        return cls(pairs, best["loss"], best.get("accuracy"), fitted.best_step, round(fitted.seconds, 3))


def check_sizes(sizes: Sequence[int], *, num_pairs: int) -> None:
    """Raise ConfigError when a size is more than the pairs there are to train on."""
    if sizes and max(sizes) > num_pairs:
        raise ConfigError(
            f"reward.learning_curve asks for {max(sizes)} pairs, but there are only {num_pairs} to train on"
        )


def nested_sets(sizes: Sequence[int], *, num_pairs: int, seed: int) -> list[list[int]]:
    """Return the numbers of so many pairs each, in order; every smaller set is part of every larger one."""
    order = np.random.default_rng([seed, num_pairs]).permutation(num_pairs)
    return [sorted(order[:size].tolist()) for size in sizes]
