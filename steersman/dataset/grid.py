"""Ratings as arrays: what selection, cleaning and agreement count with.

R ratings, S responses, T tasks, P annotators, A = 5 attributes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.records import NUM_LEVELS

IntArray = npt.NDArray[np.int64]
ScoreArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RatingGrid:
    """Ratings sorted by response, then annotator.

    `scores` (R, A) counts only where `given` (R, A) and is 0 elsewhere; `response` (R,) ascends; `annotator` (R,)
    numbers annotators in order of their ids; `task` (S,) is the task of a response and ascends; `rank` (R,) is 0 for a
    response's first rating; `rows` (R,) is the place of a rating in the table it came from. A response or a task may
    have no rating here.
    """

    scores: ScoreArray
    given: BoolArray
    response: IntArray
    annotator: IntArray
    task: IntArray
    rank: IntArray
    rows: IntArray
    num_tasks: int


def grid_from_array(scores: npt.NDArray[np.integer], *, raters: IntArray) -> RatingGrid:
    """Return a grid of tasks with two responses, scores (T, 2, M, A) of which the first `raters` (T,) of M count.

    The annotators of a task are the numbers 0 to M - 1.
    """
    tasks, per_task, most, attributes = scores.shape
    counts = np.broadcast_to(np.arange(most) < raters[:, None, None], (tasks, per_task, most))
    response = np.repeat(np.arange(tasks * per_task), most).reshape(counts.shape)
    place = np.broadcast_to(np.arange(most), counts.shape)[counts]
    chosen = scores[counts].astype(np.int8)
    return RatingGrid(
        scores=chosen,
        given=np.ones((chosen.shape[0], attributes), dtype=np.bool_),
        response=response[counts],
        annotator=place,
        task=np.repeat(np.arange(tasks), per_task),
        rank=place,
        rows=np.arange(chosen.shape[0]),
        num_tasks=tasks,
    )


def level_counts(grid: RatingGrid, *, used: BoolArray, attribute: int) -> IntArray:
    """Return how many of the `used` (R, A) scores of each response fell on each level of one attribute, (S, 5)."""
    counted = used[:, attribute] & grid.given[:, attribute]
    cells = grid.response * NUM_LEVELS + grid.scores[:, attribute]
    found = np.bincount(cells[counted], minlength=grid.task.size * NUM_LEVELS)
    return found.reshape(-1, NUM_LEVELS).astype(np.int64, copy=False)


def chosen_ratings(grid: RatingGrid, *, where: BoolArray) -> RatingGrid:
    """Return the grid with only the ratings `where` (R,) holds; ranks are counted anew, tasks and responses stay."""
    response, rank = grid.response[where], grid.rank[where]
    order = np.lexsort((rank, response))
    sizes = np.bincount(response, minlength=grid.task.size)
    starts = np.cumsum(sizes) - sizes
    new_rank = np.empty_like(rank)
    new_rank[order] = np.arange(rank.size) - np.repeat(starts, sizes)
    return RatingGrid(
        scores=grid.scores[where],
        given=grid.given[where],
        response=response,
        annotator=grid.annotator[where],
        task=grid.task,
        rank=new_rank,
        rows=grid.rows[where],
        num_tasks=grid.num_tasks,
    )
