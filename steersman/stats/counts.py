"""Tables of integers, added up over units, from which every coefficient of agreement follows.

U units, K levels 0..K-1, M the most ratings that a unit has. A unit's counts (K,) say how many of its m ratings fell
on each level. Units with equal m are added up, so that each coefficient can weigh them as it likes. Sums of integers
are exact: the result does not depend on the order of units, nor on how they were split over machines or over time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import FloatArray, IntArray, integer_array, numbered_rows


@dataclass(frozen=True, slots=True, eq=False)
class CountTables:
    """Sums over the units with m ratings, m from 0 to M.

    `pairs` (M+1, K, K): ordered pairs of ratings of one unit, n n^T - diag(n) for counts n. `totals` (M+1, K): ratings
    on each level. `units` (M+1,): units. Tables are added and subtracted like the sets of units they stand for.
    """

    pairs: IntArray
    totals: IntArray
    units: IntArray

    def __add__(self, other: "CountTables") -> "CountTables":
        """Return the tables of the units of both; raises ValueError when the two differ in levels."""
        one, two = _same_size(self, other)
        return CountTables(one.pairs + two.pairs, one.totals + two.totals, one.units + two.units)

    def __sub__(self, other: "CountTables") -> "CountTables":
        """Return the tables without the units of `other`; raises ValueError when those cannot be among them."""
        one, two = _same_size(self, other)
        rest = CountTables(one.pairs - two.pairs, one.totals - two.totals, one.units - two.units)
        if min(rest.pairs.min(), rest.totals.min(), rest.units.min()) < 0:
            raise ValueError("units are taken away that the tables do not hold")
        return _padded(rest, int(np.flatnonzero(rest.units).max(initial=0)))


@dataclass(frozen=True, slots=True, eq=False)
class TableStack:
    """R tables of the same shape, as real numbers: `pairs` (R, M+1, K, K), `totals` (R, M+1, K), `units` (R, M+1)."""

    pairs: FloatArray
    totals: FloatArray
    units: FloatArray


def count_tables(counts: npt.ArrayLike) -> CountTables:
    """Return the tables of units with counts (U, K), integers of any width; units without ratings are counted too.

    Raises ValueError for anything but non-negative integers with at least two levels.
    """
    checked = integer_array("counts", counts, axes=2)
    if checked.shape[1] < 2:
        raise ValueError(f"agreement needs at least two levels, got counts of shape {checked.shape}")
    kinds = numbered_rows(checked)
    return _weighted_tables(checked[kinds.first].astype(np.int64), kinds.sizes)


def move_unit(tables: CountTables, *, before: npt.ArrayLike, after: npt.ArrayLike) -> CountTables:
    """Return the tables after one unit went from counts `before` (K,) to counts `after` (K,).

    A rating more, a rating less and a rating changed are all such moves; the cost does not depend on the number of
    units. Raises ValueError when the tables cannot hold a unit with the counts before.
    """
    gone, come = count_tables([np.asarray(before)]), count_tables([np.asarray(after)])
    return tables - gone + come


def stacked(tables: CountTables) -> TableStack:
    """Return a stack of this one table."""
    arrays = (tables.pairs, tables.totals, tables.units)
    return TableStack(*(array[None].astype(np.float64) for array in arrays))


def _weighted_tables(kinds: IntArray, times: IntArray) -> CountTables:
    """Return the tables of units with counts `kinds` (N, K), each of which occurs `times` (N,)."""
    sizes = kinds.sum(axis=1)
    most, levels = int(sizes.max(initial=0)), kinds.shape[1]
    pairs = np.zeros((most + 1, levels, levels), dtype=np.int64)
    totals = np.zeros((most + 1, levels), dtype=np.int64)
    units = np.zeros(most + 1, dtype=np.int64)
    for size in np.unique(sizes):
        here = sizes == size
        weighted = kinds[here] * times[here, None]
        totals[size] = weighted.sum(axis=0)
        pairs[size] = weighted.T @ kinds[here] - np.diag(totals[size])
        units[size] = times[here].sum()
    return CountTables(pairs, totals, units)


def _same_size(one: CountTables, other: CountTables) -> tuple[CountTables, CountTables]:
    levels = one.totals.shape[1], other.totals.shape[1]
    if levels[0] != levels[1]:
        raise ValueError(f"tables of {levels[0]} and of {levels[1]} levels do not add up")
    most = max(one.units.size, other.units.size) - 1
    return _padded(one, most), _padded(other, most)


def _padded(tables: CountTables, most: int) -> CountTables:
    """Return the tables with `most` as their M: rows of zeros are added, or cut off where they are empty."""
    spare = max(0, most + 1 - tables.units.size)
    arrays = (tables.pairs, tables.totals, tables.units)
    grown = (np.pad(array, [(0, spare)] + [(0, 0)] * (array.ndim - 1)) for array in arrays)
    return CountTables(*(array[: most + 1] for array in grown))
