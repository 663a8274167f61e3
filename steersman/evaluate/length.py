"""How long responses are: reward models and judges lean towards length, so every comparison shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steersman.errors import DataError
from steersman.stats.bootstrap import Interval, bootstrap_mean


@dataclass(frozen=True, slots=True)
class LengthStatistics:
    """Characters per response (Unicode code points); `empty` responses count as 0."""

    mean_characters: Interval
    median_characters: float
    empty: int


def length_statistics(responses: Sequence[str], *, rng: np.random.Generator, rounds: int) -> LengthStatistics:
    """Return the mean length with a 95 % bootstrap interval over responses, and the median.

    Raises DataError for no responses.
    """
    if not responses:
        raise DataError("no responses to measure")
    lengths = np.array([len(response) for response in responses], dtype=np.float64)
    return LengthStatistics(
        mean_characters=bootstrap_mean(lengths, rng=rng, rounds=rounds),
        median_characters=float(np.median(lengths)),
        empty=int((lengths == 0).sum()),
    )
