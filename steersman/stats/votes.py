"""Ratings as a sparse table of votes, and sums of floats that no order of their terms can change.

U units, P raters, K levels. A vote of rater p for level k is of kind p * K + k. Sums over the votes of a unit, and over
the votes of one kind, are products with one sparse table, which is why fitting a model of raters is fast.

Adding floats in another order gives another last digit, and a fit would then depend on how raters are numbered. Numbers
that are whole multiples of one power of two add up exactly as long as no sum needs more than 53 bits, whatever the
order; `summable` rounds to such multiples. (Fixed point inside floating point; compare Demmel and Nguyen, Fast
Reproducible Floating-Point Summation, 2013.)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_EXACT_BITS = 52
_UNITS_OF_A_PART = 32_768


@dataclass(frozen=True, slots=True)
class Votes:
    """Who gave which unit which level: tables (units of a part, P * K) that count the votes of each kind of a unit.

    The units are kept in `parts` that fit into a processor's cache. `per_unit` (U,) and `per_kind` (P, K) count votes;
    every unit and every rater has at least one.
    """

    parts: tuple[tuple[slice, sparse.csr_array], ...]
    per_unit: IntArray
    per_kind: IntArray

    def sums_by_part(self, values: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the units of each part and the sums over their votes of `values` (P, K, N), shape (units, N)."""
        raters, levels, width = values.shape
        flat = values.reshape(raters * levels, width)
        for units, table in self.parts:
            yield units, table @ flat

    def sums_per_unit(self, values: FloatArray) -> FloatArray:
        """Return the sum over each unit's votes of `values` (P, K, N), shape (U, N)."""
        sums = np.empty((self.per_unit.size, values.shape[2]))
        for units, found in self.sums_by_part(values):
            sums[units] = found
        return sums

    def sums_per_kind(self, values: FloatArray) -> FloatArray:
        """Return the sum over the votes of each kind of the `values` (U, N) of their units, shape (P, K, N)."""
        sums = np.zeros((self.per_kind.size, values.shape[1]))
        for units, table in self.parts:
            sums += table.T @ values[units]
        return sums.reshape(*self.per_kind.shape, values.shape[1])

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
    per_unit, num_kinds = np.bincount(units), (int(raters.max()) + 1) * num_levels
    kinds = raters * num_levels + levels
    return Votes(
        parts=tuple(_parts(kinds, per_unit, num_kinds=num_kinds)),
        per_unit=per_unit,
        per_kind=np.bincount(kinds, minlength=num_kinds).reshape(-1, num_levels),
    )


def _parts(kinds: IntArray, per_unit: IntArray, *, num_kinds: int) -> Iterator[tuple[slice, sparse.csr_array]]:
    ends = np.concatenate([[0], np.cumsum(per_unit)])
    for first in range(0, per_unit.size, _UNITS_OF_A_PART):
        units = slice(first, min(first + _UNITS_OF_A_PART, per_unit.size))
        here = kinds[ends[units.start] : ends[units.stop]]
        starts = ends[units.start : units.stop + 1] - ends[units.start]
        yield units, sparse.csr_array((np.ones(here.size), here, starts), shape=(starts.size - 1, num_kinds))


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
