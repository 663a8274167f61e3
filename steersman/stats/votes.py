"""Ratings as a sparse table of votes, and sums of floats that no order of their terms can change.

U units, P raters, K levels. A vote of rater p for level k is of kind p * K + k. Sums over the votes of a unit, and over
the votes of one kind, are products with one sparse table, which is why fitting a model of raters is fast.

Adding floats in another order gives another last digit, and a fit would then depend on how raters are numbered. Numbers
that are whole multiples of one power of two add up exactly as long as no sum needs more than 53 bits, whatever the
order; `summable` rounds to such multiples. (Fixed point inside floating point; compare Demmel and Nguyen, Fast
Reproducible Floating-Point Summation, 2013.)
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_EXACT_BITS = 52


@dataclass(frozen=True, slots=True)
class Votes:
    """Who gave which unit which level: `table` (U, P * K) counts the votes of each kind that a unit has.

    `per_unit` (U,) and `per_kind` (P, K) count votes; every unit and every rater has at least one.
    """

    table: sparse.csr_array
    per_unit: IntArray
    per_kind: IntArray

    def sums_per_unit(self, values: FloatArray) -> FloatArray:
        """Return the sum over each unit's votes of `values` (P, K, N), shape (U, N)."""
        raters, levels, width = values.shape
        return np.asarray(self.table @ values.reshape(raters * levels, width))

    def sums_per_kind(self, values: FloatArray) -> FloatArray:
        """Return the sum over the votes of each kind of the `values` (U, N) of their units, shape (P, K, N)."""
        return np.asarray(self.table.T @ values).reshape(*self.per_kind.shape, values.shape[1])

    @property
    def most_of_a_unit(self) -> int:
        """The number of votes of the unit with the most."""
        return int(self.per_unit.max())

    @property
    def most_of_a_kind(self) -> int:
        """The number of votes of the most frequent kind."""
        return int(self.per_kind.max())


def count_votes(level: npt.ArrayLike, *, unit: npt.ArrayLike, rater: npt.ArrayLike, num_levels: int) -> Votes:
    """Return the votes of R ratings, given by their `level`, `unit` and `rater`, each (R,).

    Units and raters are numbered from 0 without a gap, units ascend, and a rater may rate a unit more than once. Raises
    ValueError for no rating, vectors of different lengths, a level outside 0 to `num_levels` - 1, and other numbering.
    """
    levels, units, raters = (np.asarray(each, dtype=np.int64) for each in (level, unit, rater))
    _refuse_unusable(levels, units, raters, num_levels=num_levels)
    per_unit, num_raters = np.bincount(units), int(raters.max()) + 1
    kinds = raters * num_levels + levels
    ends = np.cumsum(per_unit)
    index = np.int32 if max(kinds.size, num_raters * num_levels) < np.iinfo(np.int32).max else np.int64
    table = sparse.csr_array(
        (np.ones(kinds.size), kinds.astype(index), np.concatenate([[0], ends]).astype(index)),
        shape=(per_unit.size, num_raters * num_levels),
    )
    per_kind = np.bincount(kinds, minlength=num_raters * num_levels).reshape(num_raters, num_levels)
    return Votes(table=table, per_unit=per_unit, per_kind=per_kind)


def _refuse_unusable(levels: IntArray, units: IntArray, raters: IntArray, *, num_levels: int) -> None:
    if levels.ndim != 1 or not levels.shape == units.shape == raters.shape:
        raise ValueError(f"three vectors of one length are needed, got {levels.shape}, {units.shape}, {raters.shape}")
    if levels.size == 0:
        raise ValueError("there is no rating to count")
    if levels.min() < 0 or levels.max() >= num_levels:
        raise ValueError(f"levels go from 0 to {num_levels - 1}, got {levels.min()} to {levels.max()}")
    if raters.min() < 0 or not np.bincount(raters).all():
        raise ValueError("raters are numbered from 0 without a gap; number those with ratings first")
    steps = np.diff(units, prepend=-1)
    if steps[0] != 1 or steps.min() < 0 or steps.max() > 1:
        raise ValueError("units are numbered from 0 without a gap and ascend; number and sort those with ratings first")


def summable(values: FloatArray, *, largest: float, terms: int) -> FloatArray:
    """Return `values` rounded so that a sum of up to `terms` of them is exact, in any order.

    No absolute value may be above `largest`, infinite ones aside. The rounding is at most `largest` * `terms` / 2^52.
    """
    step = 2.0 ** (math.frexp(largest * terms)[1] - _EXACT_BITS)
    if step == 0.0:  # so small that all numbers are multiples of the smallest one there is
        return values
    found: FloatArray = np.rint(values / step)
    found *= step
    return found


def exact_sum(values: FloatArray) -> float:
    """Return the sum of `values`, the same in any order; for (N,) finite numbers."""
    return float(summable(values, largest=float(np.abs(values).max(initial=0.0)), terms=values.size).sum())
