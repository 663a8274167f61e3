"""Arrays as the statistics take them: their types, the check at the door, and equal things given equal numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
SmallIntArray = npt.NDArray[np.int32]
AnyInts = npt.NDArray[np.integer]

_MOST_CODE = 2**62
# a look-up table with this many cells per item, and this many more, still beats sorting
_CELLS_PER_ITEM = 4
_SPARE_CELLS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """Items told apart: N different ones among R, in the order of their values.

    `places` (R,) is the number of each item, `first` (N,) where each of the different ones occurs first, and `sizes`
    (N,) how often it does.
    """

    places: IntArray
    first: IntArray
    sizes: IntArray


def integer_array(name: str, values: npt.ArrayLike, *, axes: int) -> AnyInts:
    """Return `values` as integers of the width they have; raises ValueError for other types, shapes and signs.

    Floats are refused even where they are whole: a missing rating among them would be NaN.
    """
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != axes:
        raise ValueError(f"{name} must be integers with {axes} axes, got {array.dtype} with shape {array.shape}")
    if array.dtype == np.uint64:
        # mixed with signed integers it would turn into floats
        array = array.astype(np.int64)
    if array.size and int(array.min()) < 0:
        raise ValueError(f"{name} must not be negative, got {int(array.min())}")
    return array


def level_array(name: str, values: npt.ArrayLike, *, num_levels: int) -> AnyInts:
    """Return a vector of levels 0..num_levels-1; raises ValueError that says where one lies outside."""
    array = integer_array(name, values, axes=1)
    outside = np.flatnonzero(array >= num_levels)
    if outside.size:
        raise ValueError(f"{name}[{outside[0]}] is {array[outside[0]]}, but levels go from 0 to {num_levels - 1}")
    return array


def tallied(parts: Iterable[IntArray], *, bound: int, num_codes: int) -> tuple[IntArray, IntArray]:
    """Return the different ones among integers 0..bound-1, sorted, and how often each occurs.

    They come in parts of about `num_codes` in all, so that not all of them are ever in memory. Linear in their number
    where `bound` is not much larger than that, else by sorting.
    """
    if bound <= _CELLS_PER_ITEM * num_codes + _SPARE_CELLS:
        cells = np.zeros(bound, dtype=np.int64)
        for codes in parts:
            np.add.at(cells, codes, 1)
        present = np.flatnonzero(cells)
        return present, cells[present]
    none = np.empty(0, dtype=np.int64)
    tallies = [(none, none), *(np.unique(codes, return_counts=True) for codes in parts)]
    found, found_times = (np.concatenate(each) for each in zip(*tallies, strict=True))
    different, places = np.unique(found, return_inverse=True)
    times = np.zeros(different.size, dtype=np.int64)
    np.add.at(times, places, found_times)
    return different, times


def numbered(codes: IntArray) -> Numbering:
    """Tell integers (R,) apart; linear in R where their range is not much larger than R, else by sorting."""
    span = int(codes.max()) - int(codes.min()) if codes.size else _MOST_CODE
    if span > _CELLS_PER_ITEM * codes.size + _SPARE_CELLS:
        _, first, places, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        return Numbering(places.astype(np.int64), first.astype(np.int64), sizes.astype(np.int64))
    shifted = codes - codes.min()
    cells = np.bincount(shifted)
    present = np.flatnonzero(cells)
    place_of = np.zeros(cells.size, dtype=np.int64)
    place_of[present] = np.arange(present.size)
    first_of = np.zeros(cells.size, dtype=np.int64)
    # of repeated indices the last one is kept: backwards, that is the first
    first_of[shifted[::-1]] = np.arange(codes.size - 1, -1, -1)
    return Numbering(place_of[shifted], first_of[present], cells[present])


def ranked(values: AnyInts) -> tuple[IntArray, SmallIntArray]:
    """Return the different ones among integers >= 0 (R,), sorted, and the place of each value among them, (R,)."""
    if values.size == 0 or values.max() > _CELLS_PER_ITEM * values.size + _SPARE_CELLS:
        different, places = np.unique(values, return_inverse=True)
        return different.astype(np.int64), places.astype(np.int32)
    present = np.flatnonzero(np.bincount(values))
    place_of = np.zeros(int(present[-1]) + 1, dtype=np.int32)
    place_of[present] = np.arange(present.size)
    return present, place_of[values]


def numbered_rows(rows: AnyInts) -> Numbering:
    """Tell the rows of a table (R, C) of integers >= 0 apart; rows are ordered by their first column, then the next."""
    codes = np.zeros(rows.shape[0], dtype=np.int64)
    bound = 1
    for column in rows.T:
        base = int(column.max(initial=0)) + 1
        if bound * base > _MOST_CODE:
            codes = numbered(codes).places
            bound = int(codes.max()) + 1
        codes *= base
        codes += column.astype(np.int64)
        bound *= base
    return numbered(codes)
