"""Whether predictions mean what they say: numbers on a scale of labels, and probabilities.

Bins hold equally many predictions, so that none is empty and all are equally sure.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

NUM_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The mean prediction of a bin, the mean of what was observed, and how many there were."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True, slots=True)
class LabelCalibration:
    """The least-squares line observed = intercept + slope x predicted: 0 and 1 when calibrated.

    A slope below one tells of predictions too far apart; it is None where all predictions are equal.
    """

    slope: float | None
    intercept: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class ProbabilityCalibration:
    """`expected_error` (0-1) is the mean gap between what was said and what was seen, `brier` the squared error."""

    expected_error: float
    brier: float
    bins: tuple[Bin, ...]


def label_calibration(labels: npt.ArrayLike, predictions: npt.ArrayLike, *, bins: int = NUM_BINS) -> LabelCalibration:
    """Return how predicted labels lie to the given ones, both (rows,) (Cox 1958 for line and bins alike).

    Raises ValueError for no rows or other shapes.
    """
    observed, predicted = _vectors(labels, predictions)
    spread = predicted - predicted.mean()
    variance = float(spread @ spread)
    slope = float(spread @ observed) / variance if variance > 0 else None
    intercept = None if slope is None else float(observed.mean() - slope * predicted.mean())
    return LabelCalibration(slope, intercept, _bins(observed, predicted, count=bins))


def probability_calibration(
    outcomes: npt.ArrayLike, probabilities: npt.ArrayLike, *, bins: int = NUM_BINS
) -> ProbabilityCalibration:
    """Return how probabilities (0-1) lie to outcomes (0-1), both (rows,).

    The expected calibration error with bins of equal mass (Naeini, Cooper and Hauskrecht 2015; Nguyen and O'Connor
    2015), and the score of Brier (1950). Raises ValueError for no rows, other shapes, or numbers outside 0-1.
    """
    observed, predicted = _vectors(outcomes, probabilities)
    for name, values in (("outcomes", observed), ("probabilities", predicted)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must lie between 0 and 1")
    found = _bins(observed, predicted, count=bins)
    error = sum(each.count * abs(each.predicted - each.observed) for each in found) / observed.size
    return ProbabilityCalibration(error, float(((observed - predicted) ** 2).mean()), found)


def error_when_calibrated(
    probabilities: npt.ArrayLike, *, rng: np.random.Generator, rounds: int, bins: int = NUM_BINS
) -> float:
    """Return the expected calibration error that true `probabilities`, (rows,), show on average on so few outcomes.

    Outcomes are drawn by the very probabilities, `rounds` times: what is above this figure is not due to chance alone
    (Broecker and Smith 2007). Raises as `probability_calibration`.
    """
    said = np.asarray(probabilities, dtype=np.float64)
    drawn = ((rng.random(said.shape) < said).astype(np.float64) for _ in range(rounds))
    errors = [probability_calibration(outcomes, said, bins=bins).expected_error for outcomes in drawn]
    return float(np.mean(errors))


def level_calibration(
    labels: npt.ArrayLike, probabilities: npt.NDArray[np.float64], *, bins: int = NUM_BINS
) -> ProbabilityCalibration:
    """Return the calibration of the most likely level, `probabilities` (rows, levels) and `labels` (rows,).

    A label between two levels, as a mean of ratings is, counts in part for each. Raises as `probability_calibration`.
    """
    levels = probabilities.argmax(axis=1)
    hits = np.clip(1 - np.abs(np.asarray(labels, dtype=np.float64) - levels), 0, 1)
    return probability_calibration(hits, np.clip(probabilities.max(axis=1), 0, 1), bins=bins)


def _vectors(observed: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    first, second = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(f"two vectors of one length above zero are needed, got {first.shape} and {second.shape}")
    return first, second


def _bins(observed: Numbers, predicted: Numbers, *, count: int) -> tuple[Bin, ...]:
    """Return the bins from the lowest prediction; equal predictions keep their order, so the result is one."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(count, order.size))
    return tuple(Bin(float(predicted[part].mean()), float(observed[part].mean()), int(part.size)) for part in parts)
