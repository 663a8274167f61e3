"""Simulated crowds for `aggregation.py`: responses with planted true scores, and annotators with planted faults.

A response has five true scores, real numbers from 0 to 4, with means, spreads and correlations about as in HelpSteer2
(paper, table 2). An annotator feels 2 + scale * (truth - 2) + leaning + noise and says the nearest whole score; a
spammer says one score to everything, or draws it; a careless rating is drawn as well. Three annotators rate both
responses of a task, five where the first three disagree.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.annotation.escalation import FIRST_ANNOTATORS, MAX_HELPFULNESS_SPREAD, MOST_ANNOTATORS
from steersman.dataset.grid import RatingGrid, grid_from_array
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE, NUM_LEVELS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESPONSES_PER_TASK = 2
MEANS = np.array([2.87, 2.96, 3.64, 1.70, 2.00])
SPREADS = np.array([1.27, 1.27, 0.65, 0.70, 0.76])
CORRELATIONS = np.array(
    [
        [1.00, 0.94, 0.50, 0.18, 0.06],
        [0.94, 1.00, 0.50, 0.18, 0.06],
        [0.50, 0.50, 1.00, 0.10, 0.00],
        [0.18, 0.18, 0.10, 1.00, 0.30],
        [0.06, 0.06, 0.00, 0.30, 1.00],
    ]
)
_NOISE_VARIES = 0.4


@dataclass(frozen=True, slots=True)
class CrowdKind:
    """A kind of crowd: how many tasks and annotators, and how much is wrong with them, in levels or as a share."""

    name: str
    tasks: int
    annotators: int
    leaning_sd: float
    scale_sd: float
    noise_sd: float
    spammers: float
    careless: float


@dataclass(frozen=True, slots=True)
class RatedCrowd:
    """Ratings as a grid, and the true scores (S, A) of its responses."""

    grid: RatingGrid
    truth: FloatArray


KINDS = (
    CrowdKind("even", 10_000, 100, leaning_sd=0.0, scale_sd=0.0, noise_sd=0.6, spammers=0.0, careless=0.0),
    CrowdKind("leaning", 10_000, 100, leaning_sd=0.5, scale_sd=0.15, noise_sd=0.7, spammers=0.0, careless=0.0),
    CrowdKind("careless", 10_000, 100, leaning_sd=0.3, scale_sd=0.1, noise_sd=0.7, spammers=0.0, careless=0.15),
    CrowdKind("spammers", 10_000, 100, leaning_sd=0.5, scale_sd=0.15, noise_sd=0.7, spammers=0.15, careless=0.03),
    CrowdKind("strangers", 1_250, 1000, leaning_sd=0.5, scale_sd=0.15, noise_sd=0.7, spammers=0.15, careless=0.03),
)


def draw_crowd(kind: CrowdKind, *, rng: np.random.Generator) -> RatedCrowd:
    """Return a crowd of this kind and what it says about its tasks."""
    truth = _true_scores(kind.tasks, rng=rng)
    people = _people(kind, rng=rng)
    scores = _scores(kind, truth, people, rng=rng)
    first = scores[:, :, :FIRST_ANNOTATORS, 0]
    disagree = (first.max(axis=2) - first.min(axis=2)).max(axis=1) > MAX_HELPFULNESS_SPREAD
    raters = np.where(disagree, MOST_ANNOTATORS, FIRST_ANNOTATORS)
    grid = grid_from_array(scores, raters=raters)
    return RatedCrowd(_with_people(grid, people), truth.reshape(-1, len(ATTRIBUTES)))


def _true_scores(tasks: int, *, rng: np.random.Generator) -> FloatArray:
    drawn = rng.normal(size=(tasks, RESPONSES_PER_TASK, len(ATTRIBUTES))) @ np.linalg.cholesky(CORRELATIONS).T
    return np.asarray(np.clip(MEANS + SPREADS * drawn, MIN_SCORE, MAX_SCORE))


def _people(kind: CrowdKind, *, rng: np.random.Generator) -> IntArray:
    """Return five different annotators for each task, (T, 5), in the order in which they are asked."""
    widest = kind.annotators // MOST_ANNOTATORS
    steps = rng.integers(1, widest + 1, size=(kind.tasks, MOST_ANNOTATORS))
    steps[:, 0] = rng.integers(0, kind.annotators, kind.tasks)
    return np.asarray(rng.permuted(np.cumsum(steps, axis=1) % kind.annotators, axis=1))


def _scores(kind: CrowdKind, truth: FloatArray, people: IntArray, *, rng: np.random.Generator) -> IntArray:
    """Return what each of the five says about each response, (T, 2, 5, A)."""
    leaning = rng.normal(0.0, kind.leaning_sd, (kind.annotators, len(ATTRIBUTES)))
    scale = np.maximum(rng.normal(1.0, kind.scale_sd, (kind.annotators, 1)), 0.3)
    noise = kind.noise_sd * np.exp(rng.normal(0.0, _NOISE_VARIES, (kind.annotators, 1)))
    who = people[:, None, :]
    felt = 2.0 + scale[who] * (truth[:, :, None] - 2.0) + leaning[who]
    felt += noise[who] * rng.normal(size=felt.shape)
    scores = np.clip(np.rint(felt), MIN_SCORE, MAX_SCORE).astype(np.int64)

    spammers = rng.permutation(kind.annotators)[: round(kind.spammers * kind.annotators)]
    is_random, habit = np.zeros(kind.annotators, dtype=np.bool_), np.full(kind.annotators, -1)
    is_random[spammers] = True
    habit[spammers[::2]] = rng.integers(MIN_SCORE, NUM_LEVELS, spammers[::2].size)
    drawn = is_random[who] | (rng.random(scores.shape[:3]) < kind.careless)
    scores = np.where(drawn[..., None], rng.integers(MIN_SCORE, NUM_LEVELS, scores.shape), scores)
    return np.where(habit[who][..., None] >= 0, habit[who][..., None], scores)


def _with_people(grid: RatingGrid, people: IntArray) -> RatingGrid:
    """Return the grid with the annotators of each task in the place of their turns, sorted as a grid is."""
    annotator = people[grid.task[grid.response], grid.rank]
    order = np.lexsort((annotator, grid.response))
    return RatingGrid(
        scores=grid.scores[order],
        given=grid.given[order],
        response=grid.response[order],
        annotator=annotator[order],
        task=grid.task,
        rank=grid.rank[order],
        rows=grid.rows[order],
        num_tasks=grid.num_tasks,
    )
