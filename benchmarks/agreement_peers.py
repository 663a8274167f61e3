"""The coefficients of agreement as other packages compute them, each from the input it likes best.

A peer is made outside the clock: it gets pairs of ratings already written out, counts or tables, whatever its package
asks for. Making one raises ModuleNotFoundError where the package is not installed.
"""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import cohen_kappa_score

from steersman.stats.arrays import FloatArray, IntArray
from steersman.stats.pairs import PairTables
from steersman.stats.ratings import meetings

RATERS = 500
LEVELS = 5
FIRST_RATINGS = 3
MOST_RATINGS = 5
_DISPUTED_SPREAD = 2


@dataclass(frozen=True, slots=True)
class Simulated:
    """R ratings of U units by 500 raters, sorted by unit: `level`, `unit` and `rater` (R,), and `counts` (U, 5)."""

    level: npt.NDArray[np.int8]
    unit: IntArray
    rater: npt.NDArray[np.int16]
    counts: IntArray
    first_counts: IntArray


@dataclass(frozen=True, slots=True)
class Peer:
    """Another package's way: `answer` is timed, and compared with the `chosen` ones of our answers (all where None).

    `scale` is what its time is multiplied with, where it did a part of the work.
    """

    name: str
    answer: Callable[[], FloatArray]
    chosen: IntArray | None = None
    scale: float = 1.0


def simulated(num_units: int, *, seed: int) -> Simulated:
    """Return ratings that are a unit's value plus noise, rounded: three, or five where those spread over 2 levels."""
    rng = np.random.default_rng(seed)
    felt = rng.normal(2.3, 1.2, size=(num_units, 1)) + rng.normal(0.0, 1.7, size=(num_units, MOST_RATINGS))
    levels = np.clip(np.rint(felt), 0, LEVELS - 1).astype(np.int8)
    first = levels[:, :FIRST_RATINGS]
    is_disputed = np.ptp(first, axis=1) > _DISPUTED_SPREAD
    is_given = np.arange(MOST_RATINGS) < np.where(is_disputed, MOST_RATINGS, FIRST_RATINGS)[:, None]
    # steps this short never lead back to the first rater
    steps = rng.integers(1, RATERS // (MOST_RATINGS + 1), size=(num_units, MOST_RATINGS))
    raters = (rng.integers(0, RATERS, size=(num_units, 1)) + np.cumsum(steps, axis=1)) % RATERS
    unit = np.repeat(np.arange(num_units), is_given.sum(axis=1))
    return Simulated(
        level=levels[is_given],
        unit=unit,
        rater=raters[is_given].astype(np.int16),
        counts=_counts(levels[is_given], unit, num_units=num_units),
        first_counts=_counts(first.ravel(), np.repeat(np.arange(num_units), FIRST_RATINGS), num_units=num_units),
    )


def _counts(level: npt.NDArray[np.int8], unit: IntArray, *, num_units: int) -> IntArray:
    return np.bincount(unit * LEVELS + level, minlength=num_units * LEVELS).reshape(num_units, LEVELS)


def sklearn_pooled(data: Simulated) -> Peer:
    """Return scikit-learn's quadratic kappa of all ordered pairs, weighted 1 / (m - 1)."""
    meets = list(meetings(data.unit))
    one, other = (np.concatenate([meet[side] for meet in meets]) for side in (0, 1))
    shares = 1.0 / (np.bincount(data.unit)[data.unit[one]] - 1.0)
    first = np.concatenate([data.level[one], data.level[other]])
    second = np.concatenate([data.level[other], data.level[one]])
    both = np.concatenate([shares, shares])

    def answer() -> FloatArray:
        return np.array([cohen_kappa_score(first, second, weights="quadratic", sample_weight=both)])

    return Peer("scikit-learn, pairs written out", answer)


def sklearn_rater_pairs(tables: PairTables, *, most: int) -> Peer:
    """Return scikit-learn's quadratic kappa of `most` pairs of raters, evenly spread, a call for each."""
    chosen = np.unique(np.linspace(0, len(tables.raters) - 1, most).astype(np.int64))
    cells = np.arange(LEVELS * LEVELS)
    shared = [np.divmod(np.repeat(cells, tables.tables[place].ravel()), LEVELS) for place in chosen]
    levels = range(LEVELS)

    def answer() -> FloatArray:
        with warnings.catch_warnings():
            # of a pair that knows one level; the answer is NaN, as ours is
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return np.array([cohen_kappa_score(*pair, weights="quadratic", labels=levels) for pair in shared])

    name = f"scikit-learn, a call for each pair ({chosen.size:,} timed)"
    return Peer(name, answer, chosen=chosen, scale=len(tables.raters) / chosen.size)


def krippendorff_ordinal(data: Simulated) -> Peer:
    """Return ordinal alpha by `krippendorff`, from counts."""
    alpha = importlib.import_module("krippendorff").alpha

    def answer() -> FloatArray:
        return np.array([alpha(value_counts=data.counts, level_of_measurement="ordinal")])

    return Peer("krippendorff, counts", answer)


def statsmodels_fleiss(data: Simulated) -> Peer:
    """Return Fleiss' kappa of the first three ratings by `statsmodels`, which wants equal numbers of ratings."""
    fleiss = importlib.import_module("statsmodels.stats.inter_rater").fleiss_kappa

    def answer() -> FloatArray:
        return np.array([fleiss(data.first_counts, method="fleiss")])

    return Peer("statsmodels, counts", answer)


def irrcac_gwet(data: Simulated, *, num_units: int) -> Peer:
    """Return AC2 with quadratic weights of the first units by `irrCAC`, from a frame of units by ratings."""
    raw, frames = importlib.import_module("irrCAC.raw"), importlib.import_module("pandas")
    table = np.full((num_units, MOST_RATINGS), np.nan)
    here = data.unit < num_units
    places = np.arange(data.unit.size) - np.searchsorted(data.unit, data.unit)
    table[data.unit[here], places[here]] = data.level[here]
    frame = frames.DataFrame(table)

    def answer() -> FloatArray:
        found = raw.CAC(frame, weights="quadratic", categories=list(range(LEVELS)), digits=12).gwet()
        return np.array([found["est"]["coefficient_value"]])

    return Peer("irrCAC, frame of ratings", answer)
