"""Raters who know nothing, under the design of real ratings: the figure that agreement must be read against."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from steersman.dataset.cleaning import FIRST_RATINGS, RESPONSES_PER_TASK
from steersman.dataset.grid import IntArray, RatingGrid, grid_from_array
from steersman.records import ATTRIBUTES, NUM_LEVELS

# How many raters a task needs, given the helpfulness ratings of each of its responses in order.
Needed = Callable[[Sequence[Sequence[int | None]]], int]

MOST_TASKS = 20_000
FEWEST_TASKS = 500
_MOST_COMBINATIONS = 8_000_000
_TASKS_LOOKED_AT = 20_000
_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class Design:
    """How many raters tasks get: by the rule for disputed tasks, else drawn from the `sizes` (T,) seen, not empty."""

    sizes: IntArray
    is_extended: bool


def design_of(grid: RatingGrid, *, needed: Needed) -> Design:
    """Return the design behind `grid`.

    Raters were added on dispute when at least half of the disputed tasks have more than three and at least half of the
    others do not; otherwise the numbers of raters are taken as they are, whatever the ratings.
    """
    per_response = np.bincount(grid.response, minlength=grid.task.size)
    sizes = np.zeros(grid.num_tasks, dtype=np.int64)
    np.maximum.at(sizes, grid.task, per_response)
    looked_at = min(grid.num_tasks, _TASKS_LOOKED_AT)
    firsts = _first_helpfulness(grid, per_response, num_tasks=looked_at)
    is_disputed = np.array([needed(ratings) > FIRST_RATINGS for ratings in firsts], dtype=np.bool_)
    is_long = sizes[:looked_at] > FIRST_RATINGS
    is_extended = (
        bool(is_disputed.any() and not is_disputed.all())
        and float(is_long[is_disputed].mean()) >= 0.5
        and float(is_long[~is_disputed].mean()) <= 0.5
    )
    return Design(sizes[sizes > 0], is_extended)


def _first_helpfulness(grid: RatingGrid, per_response: IntArray, *, num_tasks: int) -> list[list[list[int | None]]]:
    # tasks and responses ascend: those looked at stand in front
    responses = int(np.searchsorted(grid.task, num_tasks))
    ratings = int(np.searchsorted(grid.response, responses))
    firsts = np.full((responses, FIRST_RATINGS), None, dtype=np.object_)
    early = np.flatnonzero((grid.rank[:ratings] < FIRST_RATINGS) & grid.given[:ratings, _HELPFULNESS])
    firsts[grid.response[early], grid.rank[early]] = grid.scores[early, _HELPFULNESS]
    tasks: list[list[list[int | None]]] = [[] for _ in range(num_tasks)]
    found = zip(grid.task[:responses].tolist(), per_response[:responses].tolist(), firsts.tolist(), strict=True)
    for task, number, helpfulness in found:
        tasks[task].append(helpfulness[:number])
    return tasks


def random_raters(design: Design, *, needed: Needed, keep: int, rng: np.random.Generator) -> RatingGrid:
    """Return ratings drawn uniformly, each attribute for itself, of enough tasks to settle the second decimal."""
    most = int(design.sizes.max())
    tasks = _MOST_COMBINATIONS // (RESPONSES_PER_TASK * max(1, comb(most, keep)))
    tasks = min(MOST_TASKS, max(FEWEST_TASKS, tasks))
    scores = rng.integers(0, NUM_LEVELS, size=(tasks, RESPONSES_PER_TASK, most, len(ATTRIBUTES)))
    if design.is_extended:
        firsts = scores[:, :, :FIRST_RATINGS, _HELPFULNESS].tolist()
        raters = np.minimum([needed(ratings) for ratings in firsts], most)
    else:
        raters = rng.choice(design.sizes, size=tasks)
    return grid_from_array(scores, raters=raters)
