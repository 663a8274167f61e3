"""Read a ratings table into a grid; every fault that no rule can mend is found here.

Texts are only compared, so the columns `prompt` and `response` may hold their hashes instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from steersman.dataset.grid import BoolArray, FloatArray, IntArray, RatingGrid
from steersman.dataset.rating_times import GOLD, SURPLUS, Order, reason_not_counted, times_of_rows
from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES

_IDS = ("task_id", "response_id", "position", "annotator")
NARROW_COLUMNS = (*_IDS, *ATTRIBUTES, "seconds", "created_at", GOLD, SURPLUS)
_MOST_NAMED = 1000


class Rated(Protocol):
    """The ratings that annotators are judged by; see RatedTable."""

    @property
    def grid(self) -> RatingGrid:
        """Ratings that count."""

    @property
    def gold(self) -> RatingGrid:
        """Ratings of test questions."""

    @property
    def annotators(self) -> tuple[str, ...]:
        """Ids by number."""

    @property
    def seconds(self) -> FloatArray:
        """Time taken for each of the `rows` of the grids, NaN where not recorded."""

    @property
    def is_named(self) -> bool:
        """Whether annotators are people."""


@dataclass(frozen=True, slots=True)
class RatedTable:
    """A ratings table read for counting.

    `responses` has one row per response in order of task and position: task (its number), task_id, response_id, row
    (its first in the table, where its texts are). `gold` holds the ratings of test questions, numbered like those of
    `grid`. `annotators` are the ids by number. Of each row of the table, `reasons` has why it does not count, or null,
    `row_tasks` (rows,) the task, `seconds` (rows,) the time taken, NaN where not recorded. `order` says whether ratings
    were put in sequence by `created_at` or, for want of it, by their place in the table. `is_named` is false where a
    place in a list stands in for the annotator, so that nothing can be said of a person.
    """

    grid: RatingGrid
    gold: RatingGrid
    responses: pl.DataFrame
    annotators: tuple[str, ...]
    reasons: pl.Series
    row_tasks: IntArray
    seconds: FloatArray
    order: Order
    is_named: bool


def read_ratings_table(ratings: pl.DataFrame, *, is_named: bool = True) -> RatedTable:
    """Return a RATINGS table as arrays; gold, surplus and wholly unrated rows do not count and keep their reason.

    Only `task_id` to `surplus` and the two texts, or their hashes, are read. Raises DataError when an id is an empty
    text, when an annotator rated a response twice, when rows of one task or response differ in text, and as
    `check_times` does.
    """
    rows = ratings.select("prompt", "response", *NARROW_COLUMNS)
    _refuse_empty_ids(rows)
    responses, response_of_row = _responses(rows)
    _refuse_two_texts(rows, responses, response_of_row)
    reasons = rows.select(reason_not_counted()).to_series()
    annotators = rows["annotator"].unique().sort()
    annotator_of_row = rows["annotator"].cast(pl.Enum(annotators)).to_physical().to_numpy().astype(np.int64)
    counts = reasons.is_null().to_numpy()
    is_gold = (reasons == GOLD).fill_null(value=False).to_numpy()
    times, order = times_of_rows(rows, counts=counts)
    keys = _Keys(response_of_row, annotator_of_row, times)
    grid = _grid(rows, keys, responses=responses, where=counts)
    gold = _grid(rows, keys, responses=responses, where=is_gold)
    for each in (grid, gold):
        _refuse_second_ratings(each, responses, annotators)
    return RatedTable(
        grid=grid,
        gold=gold,
        responses=responses,
        annotators=tuple(annotators.to_list()),
        reasons=reasons,
        row_tasks=responses["task"].to_numpy()[response_of_row],
        seconds=rows["seconds"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        order=order,
        is_named=is_named,
    )


def _refuse_empty_ids(rows: pl.DataFrame) -> None:
    faults = [
        f"row {row + 1}: '{name}' is empty"
        for name in ("task_id", "response_id", "annotator")
        for row in rows.select((pl.col(name) == "").arg_true()).to_series().head(_MOST_NAMED)
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Name every task, response and annotator: no name is nobody's.")


def _responses(rows: pl.DataFrame) -> tuple[pl.DataFrame, IntArray]:
    """Return the responses in order, and the number of its response for every row, (rows,)."""
    found = (
        rows.with_row_index("row")
        .group_by("task_id", "response_id")
        # annotators may see the two responses in different order; the mean is the same for every order of rows
        .agg(pl.col("row").sort(), pl.col("position").mean())
        .with_columns(first=pl.col("row").list.first())
        .with_columns(first_of_task=pl.col("first").min().over("task_id"))
        .sort("first_of_task", "position", "response_id")
    )
    members = found["row"].explode().to_numpy()
    response_of_row = np.empty(rows.height, dtype=np.int64)
    response_of_row[members] = np.repeat(np.arange(found.height), found["row"].list.len().to_numpy())
    responses = found.select(
        (pl.col("first_of_task").rank("dense").cast(pl.Int64) - 1).alias("task"),
        "task_id",
        "response_id",
        pl.col("first").cast(pl.Int64).alias("row"),
    )
    return responses, response_of_row


def _refuse_two_texts(rows: pl.DataFrame, responses: pl.DataFrame, response_of_row: IntArray) -> None:
    first = responses["row"].to_numpy()
    # the first row of a task, for every response of it
    task = responses["task"].to_numpy()
    first_of_task = np.full(int(task.max(initial=-1)) + 1, rows.height, dtype=np.int64)
    np.minimum.at(first_of_task, task, first)
    faults = [
        f"task '{responses['task_id'][number]}' has {count} different prompts"
        for number, count in _differing(rows["prompt"], first_of_task[task[response_of_row]], task[response_of_row])
        for number in [int(np.searchsorted(task, number))]
    ]
    faults += [
        f"response '{responses['response_id'][number]}' of task '{responses['task_id'][number]}' "
        f"has {count} different texts"
        for number, count in _differing(rows["response"], first[response_of_row], response_of_row)
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Give each task one prompt and each of its responses one text.")


def _differing(texts: pl.Series, first: IntArray, group: IntArray) -> Iterator[tuple[int, int]]:
    """Yield each group whose rows differ from its first row, and how many different texts it has."""
    differs = (texts != texts.gather(first)).to_numpy()
    for number in np.unique(group[differs])[:_MOST_NAMED].tolist():
        yield number, texts.filter(pl.Series(group == number)).n_unique()


@dataclass(frozen=True, slots=True)
class _Keys:
    """What rows are sorted by, each (rows,)."""

    response: IntArray
    annotator: IntArray
    time: IntArray


def _grid(rows: pl.DataFrame, keys: _Keys, *, responses: pl.DataFrame, where: BoolArray) -> RatingGrid:
    chosen = np.flatnonzero(where)
    order = chosen[np.lexsort((keys.annotator[chosen], keys.response[chosen]))]
    response = keys.response[order]
    scores = rows.select(ATTRIBUTES)
    given = np.stack([scores[name].is_not_null().to_numpy()[order] for name in ATTRIBUTES], axis=1)
    values = [scores[name].fill_null(0).cast(pl.Int8).to_numpy()[order] for name in ATTRIBUTES]
    task = responses["task"].to_numpy()
    return RatingGrid(
        scores=np.stack(values, axis=1),
        given=given,
        response=response,
        annotator=keys.annotator[order],
        task=task,
        rank=_ranks(response, keys.time[order], num_responses=task.size),
        rows=order,
        num_tasks=int(task.max(initial=-1)) + 1,
    )


def _ranks(response: IntArray, time: IntArray, *, num_responses: int) -> IntArray:
    # sorted by annotator already, and lexsort is stable: equal times go by annotator
    order = np.lexsort((time, response))
    sizes = np.bincount(response, minlength=num_responses)
    ranks = np.empty_like(response)
    ranks[order] = np.arange(response.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks


def _refuse_second_ratings(grid: RatingGrid, responses: pl.DataFrame, annotators: pl.Series) -> None:
    again = (np.diff(grid.response) == 0) & (np.diff(grid.annotator) == 0)
    places = np.flatnonzero(again) + 1
    pairs, counts = np.unique(
        np.stack([grid.response[places], grid.annotator[places]], axis=1), axis=0, return_counts=True
    )
    faults = [
        f"annotator '{annotators[person]}' rated response '{responses['response_id'][number]}' "
        f"of task '{responses['task_id'][number]}' {count + 1} times"
        for (number, person), count in zip(pairs.tolist(), counts.tolist(), strict=True)
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Keep one rating; those of no test may be marked as surplus instead.")
