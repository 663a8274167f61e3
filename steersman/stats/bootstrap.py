"""Percentile bootstrap intervals for means, resampling whole groups where rows depend on each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval; `count` is the number of resampled units."""

    estimate: float
    low: float
    high: float
    count: int


def bootstrap_mean(values: npt.ArrayLike, *, rng: np.random.Generator, rounds: int) -> Interval:
    """Return the mean of `values`, shape (units,), with a 95 % percentile interval over `rounds` resamples.

    Raises ValueError for no values. (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13.)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values must be a non-empty vector, got shape {array.shape}")
    means = resampled_ratios(array, np.ones_like(array), rng=rng, rounds=rounds)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(array.mean()), float(low), float(high), int(array.size))


def resampled_ratios(
    numerators: npt.NDArray[np.float64],
    denominators: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
    rounds: int,
) -> npt.NDArray[np.float64]:
    """Return sum(numerators) / sum(denominators) of `rounds` resamples of the units, shape (rounds,).

    Units are drawn with replacement; a unit may be a group of dependent rows, its numerator and denominator sums.
    """
    units = numerators.size
    ratios = np.empty(rounds, dtype=np.float64)
    step = max(1, _CHUNK_CELLS // units)
    for start in range(0, rounds, step):
        drawn = rng.integers(0, units, size=(min(step, rounds - start), units))
        ratios[start : start + step] = numerators[drawn].sum(axis=1) / denominators[drawn].sum(axis=1)
    return ratios
