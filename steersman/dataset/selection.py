"""Choose the most-agreeing ratings of each response, three of them by default.

Combinations of ratings are compared by, in this order: missing scores, fewest first; the criterion over the attributes
selected on; the sum of absolute pairwise differences over all attributes; the distance of the kept ratings from the
median of all ratings of the response, over all attributes; the reliability of their annotators, highest first; the
sorted annotator ids (docs/cleaning.md). A later rule is asked only where the earlier ones leave a tie.

C combinations of `keep` out of n ratings, A attributes, G responses with n ratings each.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.config.cleaning import CleanSettings, Criterion
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, ScoreArray
from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES

MAX_COMBINATIONS = 200_000
_CHUNK_CELLS = 8_000_000
_BEYOND_ANY_SCORE = 50

# distances of combinations are whole numbers, so that ties are exact
Distances = npt.NDArray[np.int32]
Members = tuple[tuple[int, ...], ...]


def select_ratings(grid: RatingGrid, *, rules: CleanSettings, reliability: IntArray | None = None) -> BoolArray:
    """Return which scores are kept, shape (R, A): all of a response with at most `rules.keep`, else the most agreeing.

    The rows of the result are all alike unless `rules.select_on` is "each". `reliability` (P,) orders annotators where
    distances tie. Raises DataError for a response with so many ratings that its combinations cannot be listed.
    """
    kept = np.ones(grid.scores.shape, dtype=np.bool_)
    trust = np.zeros(int(grid.annotator.max(initial=-1)) + 1, dtype=np.int64) if reliability is None else reliability
    for places in _places_by_size(grid, keep=rules.keep):
        block = _Block(grid, places, trust=trust)
        members = tuple(combinations(range(places.shape[0]), rules.keep))
        is_member = np.zeros((len(members), places.shape[0]), dtype=np.bool_)
        np.put_along_axis(is_member, np.array(members), values=True, axis=1)
        for chosen, columns in _selections(rules):
            best = _best(block, members=members, chosen=chosen, criterion=rules.criterion)
            kept[places[:, :, None], columns] = is_member[best].T[:, :, None]
    return kept


def check_numbers(grid: RatingGrid, *, responses: pl.DataFrame, keep: int) -> None:
    """Raise DataError that names each response with so many ratings that `select_ratings` would refuse it.

    `responses` (S,) has task_id and response_id.
    """
    sizes = np.bincount(grid.response, minlength=grid.task.size)
    refused = [size for size in np.unique(sizes).tolist() if comb(size, keep) > MAX_COMBINATIONS]
    rows = np.flatnonzero(np.isin(sizes, refused))
    faults = [
        f"response '{response}' of task '{task}' has {size} ratings, {comb(size, keep)} ways to keep {keep}"
        for (task, response), size in zip(
            responses.select("task_id", "response_id")[rows].rows(), sizes[rows].tolist(), strict=True
        )
    ]
    if faults:
        raise DataError(
            f"{join_faults(faults)}. Mark some as surplus so that at most {MAX_COMBINATIONS} ways are left."
        )


def _selections(rules: CleanSettings) -> list[tuple[list[int], list[int]]]:
    """Return the attributes each selection looks at, and those it decides for."""
    everything = list(range(len(ATTRIBUTES)))
    if rules.select_on == "joint":
        return [(everything, everything)]
    if rules.select_on == "each":
        return [([index], [index]) for index in everything]
    return [([ATTRIBUTES.index(rules.select_on)], everything)]


def _places_by_size(grid: RatingGrid, *, keep: int) -> Iterator[IntArray]:
    """Yield the places in the grid of responses with equally many ratings, more than `keep`, each (n, G)."""
    sizes = np.bincount(grid.response, minlength=grid.task.size)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > keep]).tolist():
        _refuse_too_many(size, keep)
        found = starts[sizes == size]
        step = max(1, _CHUNK_CELLS // max(comb(size, keep), size * len(ATTRIBUTES)))
        for start in range(0, found.size, step):
            yield np.arange(size)[:, None] + found[start : start + step]


def _refuse_too_many(size: int, keep: int) -> None:
    if comb(size, keep) > MAX_COMBINATIONS:
        raise DataError(
            f"a response has {size} ratings, {comb(size, keep)} ways to keep {keep}; "
            f"mark some of them as surplus so that at most {MAX_COMBINATIONS} ways are left"
        )


class _Block:
    """The ratings of G responses: `scores` and `given` (A, n, G), `trust` (n, G); `given` None when nothing lacks."""

    def __init__(self, grid: RatingGrid, places: IntArray, *, trust: IntArray) -> None:
        self.scores: ScoreArray = np.ascontiguousarray(grid.scores[places].transpose(2, 0, 1))
        given = np.ascontiguousarray(grid.given[places].transpose(2, 0, 1))
        self.given: BoolArray | None = None if given.all() else given
        self.trust: IntArray = trust[grid.annotator[places]]

    def of(self, responses: IntArray) -> "_Block":
        """Return the block of some of its responses, (G',)."""
        part = object.__new__(_Block)
        part.scores, part.trust = self.scores[:, :, responses], self.trust[:, responses]
        part.given = None if self.given is None else self.given[:, :, responses]
        return part


def _best(block: _Block, *, members: Members, chosen: list[int], criterion: Criterion) -> IntArray:
    """Return the number of the combination each response keeps, (G,).

    Ratings stand in order of annotator id and combinations in order of their members, so that the first of equal
    combinations has the smallest ids.
    """
    everything = list(range(len(ATTRIBUTES)))
    rules: list[Callable[[_Block], Distances]] = [
        lambda part: _missing(part, members, chosen),
        lambda part: _CRITERIA[criterion](part, members, chosen),
        lambda part: _absolute(part, members, everything),
        lambda part: _summed(_from_median(part), members),
        lambda part: _summed(-part.trust, members),
    ]
    best = np.zeros(block.scores.shape[2], dtype=np.int64)
    tied = np.arange(best.size)
    alive = np.ones((len(members), best.size), dtype=np.bool_)
    for rule in rules:
        distances = rule(block.of(tied) if tied.size < best.size else block)
        distances[~alive] = np.iinfo(distances.dtype).max
        alive = distances == distances.min(axis=0)
        best[tied] = alive.argmax(axis=0)
        is_tied = alive.sum(axis=0) > 1
        tied, alive = tied[is_tied], alive[:, is_tied]
        if tied.size == 0:
            break
    return best


def _missing(block: _Block, members: Members, chosen: list[int]) -> Distances:
    """Return how many scores of each combination were not given, (C, G)."""
    if block.given is None:
        return np.zeros((len(members), block.scores.shape[2]), dtype=np.int32)
    return _summed((~block.given[chosen]).sum(axis=0), members)


def _summed(values: npt.NDArray[np.integer], members: Members) -> Distances:
    """Return the sum over the members of each combination of `values` (n, G), shape (C, G)."""
    rows = values.astype(np.int32)
    return np.stack([_total([rows[place] for place in places]) for places in members])


def _total(rows: Sequence[Distances]) -> Distances:
    total = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def _absolute(block: _Block, members: Members, chosen: list[int]) -> Distances:
    return _pairwise(block, members, chosen, np.abs)


def _squared(block: _Block, members: Members, chosen: list[int]) -> Distances:
    # of n values, the sum of squared pairwise differences is n * n times their variance
    return _pairwise(block, members, chosen, np.square)


def _pairwise(
    block: _Block, members: Members, chosen: list[int], size: Callable[[ScoreArray], ScoreArray]
) -> Distances:
    """Return the sum of `size` of the difference of each pair of ratings of each combination, (C, G).

    A score that was not given adds nothing: how many there are has already been compared.
    """
    pairs: dict[tuple[int, int], Distances] = {}
    for first, second in combinations(range(block.scores.shape[1]), 2):
        # at most 16 per attribute, five attributes: 8 bits hold it
        total = np.zeros(block.scores.shape[2], dtype=np.int8)
        for index in chosen:
            apart = size(block.scores[index, first] - block.scores[index, second])
            if block.given is not None:
                apart *= block.given[index, first] & block.given[index, second]
            total += apart
        pairs[first, second] = total.astype(np.int32)
    return np.stack([_total([pairs[pair] for pair in combinations(places, 2)]) for places in members])


def _ranges(block: _Block, members: Members, chosen: list[int]) -> Distances:
    """Return the sum over attributes of highest less lowest score of each combination, (C, G)."""
    low = block.scores if block.given is None else np.where(block.given, block.scores, _BEYOND_ANY_SCORE)
    high = block.scores if block.given is None else np.where(block.given, block.scores, -_BEYOND_ANY_SCORE)
    found = np.zeros((len(members), block.scores.shape[2]), dtype=np.int32)
    for number, places in enumerate(members):
        for index in chosen:
            # a combination without any score has no range; its ends, 50 below and above, still fit into 8 bits
            found[number] += np.maximum(high[index, places].max(axis=0) - low[index, places].min(axis=0), 0)
    return found


_CRITERIA: dict[Criterion, Callable[[_Block, Members, list[int]], Distances]] = {
    "sum": _absolute,
    "range": _ranges,
    "variance": _squared,
}


def _from_median(block: _Block) -> Distances:
    """Return twice the distance of each rating from the median of its response's, (n, G), summed over attributes."""
    attributes, number, responses = block.scores.shape
    total = np.zeros((number, responses), dtype=np.int32)
    for index in range(attributes):
        scores = block.scores[index].astype(np.int32)
        given = np.ones(scores.shape, dtype=np.bool_) if block.given is None else block.given[index]
        ordered = np.sort(np.where(given, scores, _BEYOND_ANY_SCORE), axis=0)
        count = given.sum(axis=0, keepdims=True)
        lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=0)
        upper = np.take_along_axis(ordered, np.minimum(count // 2, number - 1), axis=0)
        total += np.abs(2 * scores - lower - upper) * given
    return total
