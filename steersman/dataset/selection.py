"""Choose the most-agreeing ratings of each response, three of them by default.

Trios of a response are compared by, in this order: missing scores, fewest first; the sum of absolute differences of
each pair of ratings over the attributes selected on; the same over all attributes; the distance of the kept ratings
from the median of all ratings of the response, over all attributes; the sorted annotator ids (docs/cleaning.md).
"""

from itertools import combinations
from math import comb

import numpy as np

from steersman.dataset.grid import BoolArray, IntArray, RatingGrid
from steersman.errors import DataError
from steersman.records import ATTRIBUTES

SELECTIONS: dict[str, tuple[int, ...]] = {
    "joint": tuple(range(len(ATTRIBUTES))),
    "helpfulness": (ATTRIBUTES.index("helpfulness"),),
}
MAX_COMBINATIONS = 200_000
_CHUNK_CELLS = 2_000_000
_BEYOND_ANY_SCORE = 99


def select_ratings(grid: RatingGrid, *, keep: int, select_on: str) -> BoolArray:
    """Return which ratings are kept, shape (R,): all of a response with at most `keep`, else the most agreeing.

    `select_on` is a key of SELECTIONS. Raises DataError for a response with so many ratings that its combinations
    cannot be listed.
    """
    kept = np.ones(grid.response.size, dtype=np.bool_)
    sizes = np.bincount(grid.response, minlength=grid.task.size)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > keep]).tolist():
        _refuse_too_many(size, keep)
        members = np.array(list(combinations(range(size), keep)), dtype=np.int64)
        places = starts[sizes == size][:, None] + np.arange(size)
        step = max(1, _CHUNK_CELLS // max(len(members), size * len(ATTRIBUTES)))
        for start in range(0, len(places), step):
            chunk = places[start : start + step]
            best = _best(grid.scores[chunk], grid.given[chunk], members=members, chosen=SELECTIONS[select_on])
            kept[chunk] = False
            kept[np.take_along_axis(chunk, members[best], axis=1)] = True
    return kept


def _refuse_too_many(size: int, keep: int) -> None:
    if comb(size, keep) > MAX_COMBINATIONS:
        raise DataError(
            f"a response has {size} ratings, {comb(size, keep)} ways to keep {keep}; "
            f"mark some of them as surplus so that at most {MAX_COMBINATIONS} ways are left"
        )


def _best(scores: IntArray, given: BoolArray, *, members: IntArray, chosen: tuple[int, ...]) -> IntArray:
    """Return the row of `members` (C, keep) that each response keeps, shape (G,).

    `scores` and `given` are (G, n, A), ratings in order of annotator id: the first of equal rows has the smallest ids.
    """
    membership = np.zeros((len(members), scores.shape[1]), dtype=np.int64)
    np.put_along_axis(membership, members, 1, axis=1)
    attributes = list(chosen)
    criteria = [
        (~given[:, :, attributes]).sum(axis=2) @ membership.T,
        _pair_distances(scores[:, :, attributes], given[:, :, attributes], membership),
        _pair_distances(scores, given, membership),
        _distances_from_median(scores, given) @ membership.T,
    ]
    key = criteria[0]
    for criterion in criteria[1:]:
        key = key * (int(criterion.max()) + 1) + criterion
    return np.asarray(key.argmin(axis=1), dtype=np.int64)


def _pair_distances(scores: IntArray, given: BoolArray, membership: IntArray) -> IntArray:
    # an unrated attribute adds nothing here: how many there are has already been compared
    total = np.zeros((scores.shape[0], membership.shape[0]), dtype=np.int64)
    for first, second in combinations(range(scores.shape[1]), 2):
        both = given[:, first] & given[:, second]
        distance = (np.abs(scores[:, first] - scores[:, second]) * both).sum(axis=1)
        total += distance[:, None] * (membership[:, first] & membership[:, second])
    return total


def _distances_from_median(scores: IntArray, given: BoolArray) -> IntArray:
    """Return twice the distance of each rating from the median of its response's, (G, n), summed over attributes."""
    ordered = np.sort(np.where(given, scores, _BEYOND_ANY_SCORE), axis=1)
    number = given.sum(axis=1, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum(number - 1, 0) // 2, axis=1)
    upper = np.take_along_axis(ordered, np.minimum(number // 2, scores.shape[1] - 1), axis=1)
    return np.asarray((np.abs(2 * scores - lower - upper) * given).sum(axis=2), dtype=np.int64)
