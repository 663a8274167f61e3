"""Ratings as three vectors sorted by unit: checked at the door, and which ratings met on a unit.

R ratings of U units by N raters; rating r gave level[r] to unit[r] and came from rater[r].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import AnyInts, IntArray, SmallIntArray, integer_array, level_array, ranked

# two ids fit into one 64-bit integer
RATER_BOUND = 2**31
_BLOCK = 2**17


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Checked ratings, no rater twice on a unit.

    `unit` (R,) is 0..U-1 in order, `rater` (R,) the place of the rater among the sorted `rater_ids` (N,), and `level`
    (R,) is of any width: products of these need 64 bits.
    """

    unit: SmallIntArray
    rater: SmallIntArray
    level: AnyInts
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
    places = np.cumsum(is_next, dtype=np.int32)
    places -= 1
    names, rater_places = ranked(raters)
    found = Ratings(unit=places, rater=rater_places, level=checked, num_units=int(is_next.sum()), rater_ids=names)
    repeated = _repeated(found)
    if repeated is not None:
        unit_id, rater_id = units[repeated], raters[repeated]
        raise ValueError(f"rater {rater_id} rated unit {unit_id} more than once; keep one of the ratings")
    return found


def meetings(unit: AnyInts) -> Iterator[tuple[IntArray, IntArray]]:
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


def _repeated(ratings: Ratings) -> int | None:
    """Return the index of a rating whose rater rated its unit more than once, None without one."""
    start = 0
    while start < ratings.unit.size:
        last = ratings.unit[min(start + _BLOCK, ratings.unit.size) - 1]
        here = slice(start, int(np.searchsorted(ratings.unit, last, side="right")))
        meets = np.multiply(ratings.unit[here], ratings.rater_ids.size, dtype=np.int64) + ratings.rater[here]
        ordered = np.sort(meets)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if repeated.size:
            return start + int(np.flatnonzero(meets == repeated[0])[0])
        start = here.stop
    return None
