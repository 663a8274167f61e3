"""Ratings as three vectors sorted by unit: checked at the door, and which ratings met on a unit.

R ratings of U units by N raters; rating r gave level[r] to unit[r] and came from rater[r].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import AnyInts, IntArray, integer_array, level_array, numbered

# two ids fit into one 64-bit integer
RATER_BOUND = 2**31
_BLOCK = 2**17


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Checked ratings, no rater twice on a unit.

    `unit` (R,) is 0..U-1 in order, `rater` (R,) the place of the rater among the sorted `rater_ids` (N,).
    """

    unit: IntArray
    rater: IntArray
    level: IntArray
    num_units: int
    rater_ids: IntArray


def checked_ratings(level: npt.ArrayLike, *, unit: npt.ArrayLike, rater: npt.ArrayLike, num_levels: int) -> Ratings:
    """Return three vectors (R,) of integers of any width as Ratings.

    Raises ValueError for vectors of unequal length, units that are not sorted, rater ids outside 0..2^31-1, a level
    outside 0..num_levels-1, and a rater who rated a unit twice.
    """
    units, raters = integer_array("unit", unit, axes=1), integer_array("rater", rater, axes=1)
    checked = level_array("level", level, num_levels=num_levels)
    if not units.size == raters.size == checked.size:
        raise ValueError(f"unit, rater and level differ in length: {units.size}, {raters.size}, {checked.size}")
    if (units[1:] < units[:-1]).any():
        raise ValueError("unit is not sorted; sort the ratings by unit first")
    if raters.max(initial=0) >= RATER_BOUND:
        raise ValueError(f"rater ids must be below {RATER_BOUND}, got {raters.max()}; number the raters first")
    is_next = np.ones(units.size, dtype=bool)
    is_next[1:] = units[1:] != units[:-1]
    places, ids = np.cumsum(is_next) - 1, numbered(raters.astype(np.int64))
    _refuse_repeats(places * ids.sizes.size + ids.places, units=units, raters=raters)
    return Ratings(
        unit=places,
        rater=ids.places,
        level=checked.astype(np.int64),
        num_units=int(is_next.sum()),
        rater_ids=raters[ids.first].astype(np.int64),
    )


def meetings(unit: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the indices of two ratings of one unit, (P,) and (P,), until every unordered pair has come once.

    They come block by block, because small arrays stay in the processor's cache.
    """
    for start in range(0, unit.size, _BLOCK):
        first, lag = np.arange(start, min(start + _BLOCK, unit.size)), 0
        while first.size:
            lag += 1
            # who meets the one so many places further has met the one before that: the list only shrinks
            first = first[: np.searchsorted(first, unit.size - lag)]
            first = first[unit[first] == unit[first + lag]]
            yield first, first + lag


def _refuse_repeats(meeting: IntArray, *, units: AnyInts, raters: AnyInts) -> None:
    """Raise ValueError when a number of unit and rater, `meeting` (R,), comes twice."""
    ordered = np.sort(meeting)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        row = int(np.flatnonzero(meeting == repeated[0])[0])
        raise ValueError(f"rater {raters[row]} rated unit {units[row]} more than once; keep one of the ratings")
