"""Ratings that are in memory as arrays, brought into the order that reading their export would give.

The same numbers follow then as from the file: also what depends on the order of tasks, such as random raters.
R rows, one per rated response, in the order of the export.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.dataset.grid import BoolArray, FloatArray, IntArray, RatingGrid, ScoreArray
from steersman.dataset.reading import GOLD, SURPLUS, UNRATED, RatedTable

UNGIVEN = -1
_REASONS = pl.Series("reason", (GOLD, SURPLUS, UNRATED), dtype=pl.Enum((GOLD, SURPLUS, UNRATED)))


@dataclass(frozen=True, slots=True, eq=False)
class RatingRows:
    """Ratings of tasks with two responses, as rows of an export.

    `task` (R,) is any number, `slot` (R,) which of its responses, 0 or 1; `annotator` (R,) is a place in `names`, which
    need no order; `scores` (R, A) are UNGIVEN where there is none; `time` (R,) in microseconds.
    """

    task: npt.NDArray[np.int32]
    slot: npt.NDArray[np.int8]
    position: npt.NDArray[np.int8]
    annotator: npt.NDArray[np.int32]
    scores: ScoreArray
    seconds: FloatArray
    time: IntArray
    is_gold: BoolArray
    is_surplus: BoolArray
    names: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class TaskOrder:
    """Tasks as their export has them, by first row: `tasks` (T,) are their numbers.

    `first_slot` (T,) is the slot of each one's first response, -1 where the two were seen as often on the left, so that
    the ids of the responses decide.
    """

    tasks: IntArray
    first_slot: npt.NDArray[np.int8]
    of_row: IntArray


def task_order(rows: RatingRows) -> TaskOrder:
    """Return the tasks of the rows in order."""
    tasks, first, places = np.unique(rows.task, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place_of = np.empty_like(order)
    place_of[order] = np.arange(order.size)
    of_row = place_of[places]
    is_left = rows.position == 0
    # how often slot 0 was on the left, less how often slot 1 was
    lead = np.bincount(of_row[is_left], weights=1.0 - 2.0 * rows.slot[is_left], minlength=order.size)
    first_slot = np.where(lead == 0, -1, lead < 0).astype(np.int8)
    return TaskOrder(tasks[order].astype(np.int64), first_slot, of_row)


def rated_rows(rows: RatingRows, *, order: TaskOrder) -> RatedTable:
    """Return the rows as reading their export returns them; `order.first_slot` must be known for every task.

    Numbers stand in for the ids of tasks and responses.
    """
    response = 2 * order.of_row + (rows.slot != order.first_slot[order.of_row])
    names, annotator = _named(rows)
    given = rows.scores != UNGIVEN
    reasons = np.select(
        [rows.is_gold, rows.is_surplus, ~given.any(axis=1)], np.arange(3, dtype=np.int8), default=np.int8(UNGIVEN)
    )
    keys = _Keys(response, annotator, rows.time, given)
    return RatedTable(
        grid=_grid(rows, keys, where=reasons == UNGIVEN, num_tasks=order.tasks.size),
        gold=_grid(rows, keys, where=rows.is_gold, num_tasks=order.tasks.size),
        responses=_responses(order, response),
        annotators=names,
        reasons=_REASONS.gather(pl.Series(reasons).cast(pl.Int32).replace(UNGIVEN, None)),
        row_tasks=order.of_row,
        seconds=rows.seconds,
        order="time",
        is_named=True,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Keys:
    response: IntArray
    annotator: IntArray
    time: IntArray
    given: BoolArray


def _named(rows: RatingRows) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of those who rated, sorted, and the place of each row's annotator among them."""
    present = np.flatnonzero(np.bincount(rows.annotator, minlength=len(rows.names))).tolist()
    ordered = sorted(present, key=lambda number: rows.names[number])
    place_of = np.zeros(len(rows.names), dtype=np.int64)
    place_of[ordered] = np.arange(len(ordered))
    return tuple(rows.names[number] for number in ordered), place_of[rows.annotator]


def _responses(order: TaskOrder, response: IntArray) -> pl.DataFrame:
    number = order.tasks.size
    first = np.full(2 * number, response.size, dtype=np.int64)
    np.minimum.at(first, response, np.arange(response.size))
    slots = np.stack([order.first_slot, 1 - order.first_slot], axis=1).ravel()
    return pl.DataFrame(
        {
            "task": np.repeat(np.arange(number), 2),
            "task_id": pl.Series(np.repeat(order.tasks, 2)).cast(pl.String),
            "response_id": pl.Series(slots).cast(pl.String),
            "row": first,
        }
    )


def _grid(rows: RatingRows, keys: _Keys, *, where: BoolArray, num_tasks: int) -> RatingGrid:
    chosen = np.flatnonzero(where)
    order = chosen[np.lexsort((keys.annotator[chosen], keys.response[chosen]))]
    response = keys.response[order]
    scores = rows.scores[order]
    given = keys.given[order]
    scores[~given] = 0
    return RatingGrid(
        scores=scores,
        given=given,
        response=response,
        annotator=keys.annotator[order],
        task=np.repeat(np.arange(num_tasks), 2),
        rank=_ranks(response, keys.time[order], num_responses=2 * num_tasks),
        rows=order,
        num_tasks=num_tasks,
    )


def _ranks(response: IntArray, time: IntArray, *, num_responses: int) -> IntArray:
    # sorted by annotator already, and lexsort is stable: equal times go by annotator
    order = np.lexsort((time, response))
    sizes = np.bincount(response, minlength=num_responses)
    ranks = np.empty_like(response)
    ranks[order] = np.arange(response.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks
