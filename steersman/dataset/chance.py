"""Raters who know nothing, under the design of real ratings: the figure that agreement must be read against.

Tasks of the data are drawn at random and rated anew: whoever rated a response does so again, in the same sequence, and
on the same attributes, but at random. So numbers of ratings, missing scores, and whose ratings are left out or belong
to a group are those of the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from steersman.dataset.cleaning import FIRST_RATINGS, RESPONSES_PER_TASK
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, grid_from_array
from steersman.records import ATTRIBUTES, NUM_LEVELS

# How many raters a task needs, given the helpfulness ratings of each of its responses in order.
Needed = Callable[[Sequence[Sequence[int | None]]], int]

MOST_TASKS = 20_000
FEWEST_TASKS = 500
_MOST_COMBINATIONS = 8_000_000
_MOST_RATINGS = 4_000_000
_TASKS_LOOKED_AT = 20_000
_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class Design:
    """Ratings whose places random raters take.

    `disputes` (T,), where tasks got more than three ratings because those differed, says on which responses of a task
    the first three did: 1 for its first, 2 for its second, 3 for both, 0 for neither, and -1 where nobody looked. It is
    None where numbers of ratings do not depend on scores.
    """

    grid: RatingGrid
    disputes: IntArray | None


def three_then(most: int) -> Design:
    """Return the design in which both responses of a task get three ratings, and `most` once the three differ."""
    scores = np.zeros((2, RESPONSES_PER_TASK, most, len(ATTRIBUTES)), dtype=np.int8)
    return Design(grid_from_array(scores, raters=np.array([FIRST_RATINGS, most])), disputes=np.array([0, 3]))


def design_of(grid: RatingGrid, *, needed: Needed) -> Design:
    """Return the design behind `grid`.

    Raters were added on dispute when at least half of the disputed tasks have more than three and at least half of the
    others do not; otherwise the numbers of raters are taken as they are, whatever the ratings.
    """
    most = _most_ratings(grid)
    rated = np.flatnonzero(most > 0)
    # of many tasks some, from all over: rules change while data is collected
    looked_at = rated[:: 1 + rated.size // _TASKS_LOOKED_AT]
    found = _disputes(_first_helpfulness(_rated_again(grid, looked_at)), needed=needed)
    is_disputed, is_long = found > 0, most[looked_at] > FIRST_RATINGS
    is_extended = (
        bool(is_disputed.any() and not is_disputed.all())
        and float(is_long[is_disputed].mean()) >= 0.5
        and float(is_long[~is_disputed].mean()) <= 0.5
    )
    if not is_extended:
        return Design(grid, None)
    disputes = np.full(grid.num_tasks, -1, dtype=np.int64)
    disputes[looked_at] = found
    return Design(grid, disputes)


def random_raters(design: Design, *, needed: Needed, keep: int, rng: np.random.Generator) -> RatingGrid:
    """Return ratings drawn uniformly, each attribute for itself, of enough tasks to settle the second decimal.

    `rows` is the place in the grid of the design of the rating whose place a random one takes. Where raters are added
    on dispute, random ratings take the places of a task that was disputed on the same responses as they are. The design
    has at least one rating.
    """
    number = _num_tasks(design.grid, keep=keep)
    firsts = rng.integers(0, NUM_LEVELS, size=(number, RESPONSES_PER_TASK, FIRST_RATINGS), dtype=np.int8)
    if design.disputes is None:
        tasks = rng.choice(np.flatnonzero(_most_ratings(design.grid) > 0), size=number)
    else:
        tasks = _tasks_like(_disputes(firsts.tolist(), needed=needed), disputes=design.disputes, rng=rng)
    grid = _rated_again(design.grid, tasks)
    grid.scores[...] = rng.integers(0, NUM_LEVELS, size=grid.scores.shape, dtype=np.int8)
    task, place = grid.task[grid.response], _places_in_task(grid)[grid.response]
    early = np.flatnonzero((grid.rank < FIRST_RATINGS) & (place < RESPONSES_PER_TASK))
    grid.scores[early, _HELPFULNESS] = firsts[task[early], place[early], grid.rank[early]]
    grid.scores[~grid.given] = 0
    return grid


def _disputes(firsts: Sequence[Sequence[Sequence[int | None]]], *, needed: Needed) -> IntArray:
    """Return on which of its first two responses each task was disputed, as in Design, (T,)."""
    found = (
        sum(2**place * (needed([ratings]) > FIRST_RATINGS) for place, ratings in enumerate(task[:RESPONSES_PER_TASK]))
        for task in firsts
    )
    return np.fromiter(found, dtype=np.int64, count=len(firsts))


def _tasks_like(wanted: IntArray, *, disputes: IntArray, rng: np.random.Generator) -> IntArray:
    """Return for each dispute `wanted` (N,) a task with the same one or, without any such task, with another."""
    tasks = np.empty(wanted.size, dtype=np.int64)
    for dispute in np.unique(wanted).tolist():
        like = np.flatnonzero(disputes == dispute)
        others = np.flatnonzero(disputes > 0 if dispute else disputes == 0)
        here = wanted == dispute
        tasks[here] = rng.choice(like if like.size else others, size=int(here.sum()))
    return tasks


def _most_ratings(grid: RatingGrid) -> IntArray:
    """Return how many ratings the response of each task with the most of them has, (T,)."""
    most = np.zeros(grid.num_tasks, dtype=np.int64)
    np.maximum.at(most, grid.task, np.bincount(grid.response, minlength=grid.task.size))
    return most


def _num_tasks(grid: RatingGrid, *, keep: int) -> int:
    """Return how many tasks to draw, so that their ratings and the combinations of these stay within bounds."""
    sizes, times = np.unique(np.bincount(grid.response, minlength=grid.task.size), return_counts=True)
    ways: int = sum(comb(size, keep) * number for size, number in zip(sizes.tolist(), times.tolist(), strict=True))
    rated = int((_most_ratings(grid) > 0).sum())
    affordable = max(FEWEST_TASKS, _MOST_COMBINATIONS * rated // max(1, ways))
    return max(1, min(MOST_TASKS, affordable, _MOST_RATINGS * rated // grid.rows.size))


def _rated_again(grid: RatingGrid, tasks: IntArray) -> RatingGrid:
    """Return a copy of `tasks` (N,) of the grid, of which one may come again, as the tasks 0 to N - 1."""
    per_task = np.bincount(grid.task, minlength=grid.num_tasks)
    per_response = np.bincount(grid.response, minlength=grid.task.size)
    responses = _runs(_starts(per_task)[tasks], per_task[tasks])
    places = _runs(_starts(per_response)[responses], per_response[responses])
    return RatingGrid(
        scores=grid.scores[places],
        given=grid.given[places],
        response=np.repeat(np.arange(responses.size), per_response[responses]),
        annotator=grid.annotator[places],
        task=np.repeat(np.arange(tasks.size), per_task[tasks]),
        rank=grid.rank[places],
        rows=places,
        num_tasks=tasks.size,
    )


def _starts(sizes: IntArray) -> IntArray:
    return np.asarray(np.cumsum(sizes) - sizes)


def _runs(starts: IntArray, sizes: IntArray) -> IntArray:
    """Return the whole numbers from each start on, as many as its size, one run after another."""
    return np.repeat(starts - _starts(sizes), sizes) + np.arange(int(sizes.sum()))


def _places_in_task(grid: RatingGrid) -> IntArray:
    """Return the place of each response in its task, (S,)."""
    sizes = np.bincount(grid.task, minlength=grid.num_tasks)
    return np.arange(grid.task.size) - _starts(sizes)[grid.task]


def _first_helpfulness(grid: RatingGrid) -> list[list[list[int | None]]]:
    per_response = np.bincount(grid.response, minlength=grid.task.size)
    firsts: npt.NDArray[np.object_] = np.full((grid.task.size, FIRST_RATINGS), None, dtype=np.object_)
    is_early: BoolArray = (grid.rank < FIRST_RATINGS) & grid.given[:, _HELPFULNESS]
    firsts[grid.response[is_early], grid.rank[is_early]] = grid.scores[is_early, _HELPFULNESS]
    tasks: list[list[list[int | None]]] = [[] for _ in range(grid.num_tasks)]
    found = zip(grid.task.tolist(), per_response.tolist(), firsts.tolist(), strict=True)
    for task, number, helpfulness in found:
        tasks[task].append(helpfulness[:number])
    return tasks
