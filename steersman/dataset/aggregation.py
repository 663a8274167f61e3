"""Turn the scores of each response into one label per attribute.

| method | value of a response before rounding |
|---|---|
| `mean` | mean of its scores |
| `median` | median; of an even number, the mean of the middle two |
| `majority` | the level most often given; of several, the one nearest to the median; of two as near, the median |
| `dawid_skene` | mean level under the posterior of `steersman.stats.dawid_skene`, or its most probable level |
| `rater_bias` | truth by `steersman.stats.rater_bias`, held within the scale |

The first three are computed in whole numbers, so a half is a half and rounding is exact. They treat the two ends of the
scale alike: labels of the reversed scores are the reversed labels, when half_up and half_down change places. The last
two learn what each annotator is like from all responses, each attribute for itself. No method depends on the order of
annotators, responses or ratings.

Why the posterior mean is the default of `dawid_skene`: labels are read as numbers, by kappa with quadratic weights and
by a reward model that regresses on them, and the mean is what makes the squared error smallest. In simulated crowds its
labels are also right more often than the most probable levels (benchmarks/aggregation.py shows both).

S responses, R ratings, A attributes, K levels.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from steersman.config.cleaning import Aggregation, Rounding
from steersman.dataset.grid import BoolArray, FloatArray, IntArray, RatingGrid, ScoreArray
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE, NUM_LEVELS
from steersman.stats.dawid_skene import DawidSkeneRules, fit_dawid_skene
from steersman.stats.rater_bias import RaterBiasRules, fit_rater_bias

DawidSkeneLabel = Literal["posterior_mean", "most_probable"]

# as if each annotator had been seen on ten responses of each level, and been right about on seven of them
DAWID_SKENE = DawidSkeneRules(smoothing=10.0, closeness=0.2, longest_step=4.0)
RATER_BIAS = RaterBiasRules()

Counts = npt.NDArray[np.signedinteger]
# numerators (S, A) and denominators (S, A), both 0 for a response without a score
Fractions = tuple[Counts, Counts]
# so many ratings of a response that twice their number and the sum of their scores are below 128
_MOST_IN_A_BYTE = 127 // MAX_SCORE


def aggregate(
    grid: RatingGrid,
    *,
    used: BoolArray,
    method: Aggregation,
    rounding: Rounding,
    dawid_skene: DawidSkeneLabel = "posterior_mean",
) -> IntArray:
    """Return one label per response and attribute, (S, A), from the `used` (R, A) scores that were given.

    A response without any such score on an attribute gets 0 there, which is no label: the caller drops it.
    `rounding` says what becomes of a value half between two levels.
    """
    if method in _FRACTIONS:
        return _rounded_fractions(_FRACTIONS[method](grid, used & grid.given), rounding=rounding)
    values = aggregate_values(grid, used=used, method=method, dawid_skene=dawid_skene)
    return np.asarray(_ROUND[rounding](np.nan_to_num(values, nan=0.0)), dtype=np.int64)


def aggregate_values(
    grid: RatingGrid,
    *,
    used: BoolArray,
    method: Aggregation,
    dawid_skene: DawidSkeneLabel = "posterior_mean",
) -> FloatArray:
    """Return the values (S, A) that `aggregate` rounds; NaN for a response without any used score."""
    counted = used & grid.given
    if method in _FRACTIONS:
        numerators, denominators = _FRACTIONS[method](grid, counted)
        return np.where(denominators > 0, numerators / np.maximum(denominators, 1), np.nan)
    values = np.full((grid.task.size, len(ATTRIBUTES)), np.nan)
    for index in range(len(ATTRIBUTES)):
        where = counted[:, index]
        if where.any():
            rated, unit = _numbered(grid.response[where])
            rater = _numbered(grid.annotator[where])[1]
            level = grid.scores[where, index]
            values[rated, index] = _model_values(level, unit, rater, method=method, dawid_skene=dawid_skene)
    return values


def _numbered(names: IntArray) -> tuple[IntArray, IntArray]:
    """Return the numbers that occur in `names` (R,), ascending, and the place of each among them, (R,)."""
    occurs = np.bincount(names) > 0
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[names]


def _model_values(level: ScoreArray, unit: IntArray, rater: IntArray, *, method: str, dawid_skene: str) -> FloatArray:
    if method == "rater_bias":
        truth = fit_rater_bias(level, unit=unit, rater=rater, num_levels=NUM_LEVELS, rules=RATER_BIAS).truth
        return np.asarray(np.clip(truth, MIN_SCORE, MAX_SCORE))
    posterior = fit_dawid_skene(level, unit=unit, rater=rater, num_levels=NUM_LEVELS, rules=DAWID_SKENE).posterior
    if dawid_skene == "most_probable":
        return np.asarray(posterior.argmax(axis=1), dtype=np.float64)
    return np.asarray(posterior @ np.arange(NUM_LEVELS, dtype=np.float64))


def _means(grid: RatingGrid, counted: BoolArray) -> Fractions:
    of_response = _membership(grid)
    return of_response @ (grid.scores * counted), of_response @ counted.view(np.int8)


def _membership(grid: RatingGrid) -> sparse.csr_array:
    """Return the sparse table (S, R) of ones that sums what it is multiplied with, (R, A), over each response."""
    sizes = np.bincount(grid.response, minlength=grid.task.size)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    # bytes where they are wide enough: most of the time goes into filling memory
    smallest = np.int8 if sizes.max(initial=0) <= _MOST_IN_A_BYTE else np.int32
    ones = np.ones(grid.response.size, dtype=smallest)
    return sparse.csr_array((ones, np.arange(ones.size), ends), shape=(sizes.size, ones.size))


def _medians(grid: RatingGrid, counted: BoolArray) -> Fractions:
    twice, sizes = _middles(_level_counts(grid, counted))
    is_rated = sizes > 0
    return twice * is_rated, 2 * is_rated.view(np.int8)


def _level_counts(grid: RatingGrid, counted: BoolArray) -> Counts:
    """Return how many of the `counted` (R, A) scores of each response are on each level, shape (K, S, A)."""
    of_response = _membership(grid)
    return np.stack([of_response @ (counted & (grid.scores == level)).view(np.int8) for level in range(NUM_LEVELS)])


def _middles(counts: Counts) -> Fractions:
    """Return twice the median of scores with `counts` (K, S, A), and how many scores there are, both (S, A)."""
    sizes = counts.sum(axis=0, dtype=counts.dtype)
    upto = 2 * np.cumsum(counts, axis=0, dtype=counts.dtype)
    # the lower of the middle two is above every level up to which there is less than half of the scores
    lower = (upto < sizes).sum(axis=0, dtype=np.int8)
    return lower + (upto <= sizes).sum(axis=0, dtype=np.int8), sizes


def _majorities(grid: RatingGrid, counted: BoolArray) -> Fractions:
    """Return sum and number of the levels in question: one, or two of which the median is the middle."""
    counts = _level_counts(grid, counted)
    twice, sizes = _middles(counts)
    levels = np.arange(NUM_LEVELS, dtype=np.int8)[:, None, None]
    distance = np.where(counts == counts.max(axis=0), np.abs(2 * levels - twice), 2 * NUM_LEVELS)
    is_nearest = (distance == distance.min(axis=0)) & (sizes > 0)
    return (is_nearest * levels).sum(axis=0, dtype=np.int8), is_nearest.sum(axis=0, dtype=np.int8)


def _rounded_fractions(fractions: Fractions, *, rounding: Rounding) -> IntArray:
    numerators, denominators = (part.astype(np.int32) for part in fractions)
    twice, size = 2 * numerators, np.maximum(denominators, 1)
    if rounding == "half_down":
        return np.asarray(-((size - twice) // (2 * size)), dtype=np.int64)
    labels = (twice + size) // (2 * size)
    if rounding == "half_even":
        is_half = (twice + size) % (2 * size) == 0
        labels -= is_half & (labels % 2 == 1)
    return np.asarray(labels, dtype=np.int64)


_FRACTIONS: dict[Aggregation, Callable[[RatingGrid, BoolArray], Fractions]] = {
    "mean": _means,
    "median": _medians,
    "majority": _majorities,
}
_ROUND: dict[Rounding, Callable[[FloatArray], FloatArray]] = {
    "half_up": lambda values: np.floor(values + 0.5),
    "half_even": np.rint,
    "half_down": lambda values: np.ceil(values - 0.5),
}
