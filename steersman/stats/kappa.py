"""Cohen's kappa with weights, of any table of pairs of ratings: one rater's levels on the rows, the other's across."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import FloatArray, IntArray, level_array

Weights = Literal["quadratic", "linear", "unweighted"]

NO_PAIR = "no unit has two ratings"
ONE_LEVEL = "every rating that meets another is the same, so agreement by chance is already complete (0/0)"


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient of agreement; `value` is None exactly where `reason` says why it is undefined."""

    value: float | None
    reason: str | None = None


def confusion_table(first: npt.ArrayLike, second: npt.ArrayLike, *, num_levels: int) -> IntArray:
    """Return how often two raters chose each pair of levels, shape (num_levels, num_levels); rows are the first's.

    Raises ValueError for vectors of unequal length and for levels outside 0..num_levels-1.
    """
    one, other = (level_array(*named, num_levels=num_levels) for named in (("first", first), ("second", second)))
    if one.size != other.size:
        raise ValueError(f"two vectors of one length are needed, got {one.size} and {other.size}")
    cells = np.bincount(one.astype(np.int64) * num_levels + other, minlength=num_levels * num_levels)
    return cells.reshape(num_levels, num_levels)


def cohen_kappa(table: npt.ArrayLike, *, weights: Weights) -> Coefficient:
    """Return the weighted kappa of one table (K, K). (Cohen 1968.)"""
    counts = np.asarray(table, dtype=np.float64)
    kappa = float(table_kappas(counts, weights=weights))
    if np.isnan(kappa):
        return Coefficient(None, ONE_LEVEL if counts.sum() > 0 else NO_PAIR)
    return Coefficient(kappa)


def table_kappas(tables: FloatArray, *, weights: Weights) -> FloatArray:
    """Return the weighted kappa of each table, shape (...) for tables (..., K, K); NaN where it is 0/0.

    kappa = 1 - N sum(d o) / sum(d r c): d the weights of disagreement, o the table, N its sum, r and c its margins.
    """
    costs = disagreements(tables.shape[-1], weights=weights)
    # einsum: sums over short last axes are several times slower
    rows, columns = np.einsum("...ij->...i", tables), np.einsum("...ij->...j", tables)
    observed = np.einsum("...ij,ij->...", tables, costs)
    expected = np.einsum("...i,ij,...j->...", rows, costs, columns)
    return 1.0 - quotients(observed * rows.sum(axis=-1), expected)


def disagreements(num_levels: int, *, weights: Weights) -> FloatArray:
    """Return how much levels i and j disagree, (num_levels, num_levels): (i - j)^2, |i - j|, or 1 unless i = j."""
    places = np.arange(num_levels, dtype=np.float64)
    distances = np.abs(places[:, None] - places[None, :])
    if weights == "quadratic":
        return np.asarray(distances**2)
    return distances if weights == "linear" else np.sign(distances)


def quotients(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """Return numerators / denominators, NaN where the denominator is not above zero."""
    return np.divide(numerators, denominators, out=np.full_like(denominators, np.nan), where=denominators > 0)
