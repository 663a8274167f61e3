"""Ratings that are in memory as arrays, brought into the order that reading their export would give.

The same numbers follow then as from the file: also what depends on the order of tasks, such as random raters. Arrays
are as narrow as their numbers allow, because a site keeps them beside its requests.
N answers, each on both responses of a task; T tasks; A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from steersman.dataset.grid import BoolArray, FloatArray, IntArray, RatingGrid, ScoreArray
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.arrays import AnyInts

UNGIVEN = -1
# numbers are made into codes with what was given: with a level, or with all levels of an answer, of which one is "none"
_CODES = (NUM_LEVELS + 1) ** len(ATTRIBUTES)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """Answers in the order of the export: that of their left ratings.

    `task` (N,) is any number; `annotator` (N,) is a place in `names`, which need no order; `left_slot` (N,) says which
    response was on the left; `scores` (N, 2, A) are of the left and the right one, UNGIVEN where there is none; `time`
    (N,) in microseconds.
    """

    task: npt.NDArray[np.int32]
    annotator: npt.NDArray[np.int32]
    left_slot: npt.NDArray[np.int8]
    scores: ScoreArray
    seconds: FloatArray
    time: IntArray
    is_gold: BoolArray
    is_surplus: BoolArray
    names: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class TaskOrder:
    """Tasks as their export has them, by first row: `tasks` (T,) are their numbers, `of_answer` (N,) their places.

    `first_slot` (T,) is the slot of each one's first response, -1 where the two were seen as often on the left, so that
    the ids of the responses decide.
    """

    tasks: IntArray
    first_slot: npt.NDArray[np.int8]
    of_answer: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredTable:
    """What reading the export gives, as far as annotators are judged by it; `rows` of the grids are answers."""

    grid: RatingGrid
    gold: RatingGrid
    annotators: tuple[str, ...]
    seconds: FloatArray
    is_named: bool = True


def task_order(answered: Answered) -> TaskOrder:
    """Return the tasks of the answers in order."""
    tasks, first, places = np.unique(answered.task, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place_of = np.empty(order.size, dtype=np.int32)
    place_of[order] = np.arange(order.size, dtype=np.int32)
    of_answer = place_of[places]
    # how often slot 0 was on the left, less how often slot 1 was
    lead = np.bincount(of_answer, weights=1 - 2 * answered.left_slot, minlength=order.size)
    first_slot = np.where(lead == 0, -1, lead < 0).astype(np.int8)
    return TaskOrder(tasks[order].astype(np.int64), first_slot, of_answer)


def answered_table(answered: Answered, *, order: TaskOrder) -> AnsweredTable:
    """Return what reading the export would; `order.first_slot` must be known for every task."""
    names, annotator = _named(answered)
    counts = ~answered.is_gold & ~answered.is_surplus
    return AnsweredTable(
        grid=_grid(answered, annotator, where=counts, order=order),
        gold=_grid(answered, annotator, where=answered.is_gold, order=order),
        annotators=names,
        seconds=answered.seconds,
    )


def _named(answered: Answered) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of those who rated, sorted, and the place of each answer's annotator among them."""
    names = answered.names
    present = np.flatnonzero(np.bincount(answered.annotator, minlength=len(names))).tolist()
    ordered = sorted(present, key=lambda number: names[number])
    place_of = np.zeros(len(names), dtype=_narrow(len(names), codes=_CODES))
    place_of[ordered] = np.arange(len(ordered))
    return tuple(names[number] for number in ordered), cast("IntArray", place_of[answered.annotator])


def _grid(answered: Answered, annotator: IntArray, *, where: BoolArray, order: TaskOrder) -> RatingGrid:
    scores, response, rows = _ratings(answered, annotator, where=where, order=order)
    given = scores != UNGIVEN
    scores[~given] = 0
    return RatingGrid(
        scores=scores,
        given=given,
        response=cast("IntArray", response),
        annotator=annotator[rows],
        task=np.repeat(np.arange(order.tasks.size), 2),
        rank=cast("IntArray", _ranks(response, answered.time[rows], num_responses=2 * order.tasks.size)),
        rows=cast("IntArray", rows),
        num_tasks=order.tasks.size,
    )


def _ratings(
    answered: Answered, annotator: IntArray, *, where: BoolArray, order: TaskOrder
) -> tuple[ScoreArray, AnyInts, AnyInts]:
    """Return scores, response and answer of each rating, sorted by response, then annotator; unrated ones are gone."""
    answers = np.flatnonzero(where)
    answers = answers[np.lexsort((annotator[answers], order.of_answer[answers]))]
    task = order.of_answer[answers]
    sizes = np.bincount(task, minlength=order.tasks.size)
    # the ratings of a task's first response, then those of its second
    first = (np.cumsum(sizes) - sizes)[task] + np.arange(answers.size)
    number = 2 * answers.size
    scores = np.empty((number, answered.scores.shape[2]), dtype=np.int8)
    response = np.empty(number, dtype=_narrow(2 * order.tasks.size, codes=NUM_LEVELS))
    rows = np.empty(number, dtype=_narrow(answered.task.size, codes=1))
    for place, here in enumerate((first, first + sizes[task])):
        scores[here] = answered.scores[answers, order.first_slot[task] ^ place ^ answered.left_slot[answers]]
        response[here] = 2 * task + place
        rows[here] = answers
    is_rated = (scores != UNGIVEN).any(axis=1)
    return scores[is_rated], response[is_rated], rows[is_rated]


def _ranks(response: npt.NDArray[np.integer], time: IntArray, *, num_responses: int) -> npt.NDArray[np.integer]:
    # sorted by annotator already, and lexsort is stable: equal times go by annotator
    order = np.lexsort((time, response))
    sizes = np.bincount(response, minlength=num_responses)
    starts = (np.cumsum(sizes) - sizes).astype(response.dtype)
    ranks = np.empty_like(response)
    ranks[order] = np.arange(response.size, dtype=response.dtype) - np.repeat(starts, sizes)
    return ranks


def _narrow(number: int, *, codes: int) -> type[np.int32] | type[np.int64]:
    """Return the type that holds so many numbers, each with so many codes."""
    return np.int32 if number * codes <= np.iinfo(np.int32).max else np.int64
