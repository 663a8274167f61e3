"""One simulated project under one design: cleaned by the code that cleans real ratings, and measured against the truth.

R ratings, S responses, T tasks, P annotators, A = 5 attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from steersman.annotation.planning import SimulatedProject, label_errors, order_shares, raters_needed
from steersman.config.cleaning import CleanSettings
from steersman.config.planning import DesignSettings
from steersman.dataset.cleaning import TASK_REASONS, Stages, cleaning_stages, labels_of
from steersman.dataset.grid import (
    BoolArray,
    FloatArray,
    IntArray,
    RatingGrid,
    chosen_ratings,
    grid_from_array,
    level_counts,
)
from steersman.dataset.reading import RatedTable
from steersman.dataset.trust import judge_annotators
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables
from steersman.stats.influence import kappa_group_sd

STAGES = ("first_three", "all", "selected", "final")
FIRST_RATINGS = 3
RESPONSES_PER_TASK = 2
_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_RANDOM_TASKS = 20_000
_RANDOM_SEED = 20_240_612


@dataclass(frozen=True, slots=True)
class Measured:
    """What one project came to; NaN is not defined.

    `ratings` counts annotator and response; `extended` is the share of tasks that got more annotators, `untrusted` that
    of annotators whose ratings did not count, `dropped` that of tasks left out for each of TASK_REASONS, `kept` their
    number. `kappa` is (4, A) by STAGES; `errors` (3, A) are the mean absolute error of labels, its root mean square and
    the share of labels off by one or more; `order` (3,) the shares of pairs in the right and in the wrong order and of
    tied ones; `task_sds` (A,) what one task adds to the error of the first kappa.
    """

    ratings: FloatArray
    extended: FloatArray
    untrusted: FloatArray
    dropped: FloatArray
    kept: FloatArray
    kappa: FloatArray
    errors: FloatArray
    order: FloatArray


def measure(project: SimulatedProject, *, design: DesignSettings, rules: CleanSettings) -> Measured:
    """Return what comes of a project when tasks get annotators as `design` says and ratings are cleaned by `rules`."""
    raters = raters_needed(project.scores, design=design)
    grid = project_grid(project, raters=raters)
    trust = judge_annotators(_rated_table(grid), rules=rules.trust)
    stages = cleaning_stages(grid, rules=rules, trusted=trust.is_trusted[grid.annotator], reliability=trust.reliability)
    is_kept = np.array([reason is None for reason in stages.task_reasons], dtype=np.bool_)
    labels = labels_of(grid, stages, rules=rules).reshape(-1, RESPONSES_PER_TASK, len(ATTRIBUTES))[is_kept]
    latent = project.latent[is_kept]
    flat = (-1, len(ATTRIBUTES))
    errors = label_errors(labels.reshape(flat), latent=latent.reshape(flat))
    order = order_shares(labels[..., _HELPFULNESS], latent=latent[..., _HELPFULNESS])
    return Measured(
        ratings=np.array(grid.response.size),
        extended=np.array((raters > design.first).mean()),
        untrusted=np.array((~trust.is_trusted).mean()),
        dropped=np.array([stages.task_reasons.count(reason) / raters.size for reason in TASK_REASONS]),
        kept=np.array(is_kept.sum()),
        kappa=_kappas(grid, stages, design=design),
        errors=np.stack([errors.mean_absolute, errors.rmse, errors.off_by_one]),
        order=np.array([order.right, order.wrong, order.tied]),
    )


def stacked(replicates: Sequence[Measured]) -> Measured:
    """Return the figures of N projects as arrays with N rows each."""
    names = [field.name for field in fields(Measured)]
    return Measured(*(np.stack([getattr(each, name) for each in replicates]).astype(np.float64) for name in names))


def random_kappas(design: DesignSettings, *, rules: CleanSettings) -> FloatArray:
    """Return the kappa that raters who know nothing reach under the design and the selection, (4, A) by STAGES.

    Each draws every attribute uniformly, on 20,000 tasks; nobody is removed.
    """
    rng = np.random.default_rng(_RANDOM_SEED)
    shape = (_RANDOM_TASKS, RESPONSES_PER_TASK, design.most, len(ATTRIBUTES))
    scores = rng.integers(0, NUM_LEVELS, size=shape)
    grid = grid_from_array(scores, raters=raters_needed(scores, design=design))
    return _kappas(grid, cleaning_stages(grid, rules=rules), design=design)


def first_task_sds(project: SimulatedProject, *, raters: int) -> FloatArray:
    """Return s such that s / sqrt(n) is the standard error of kappa of n tasks with their first `raters` each, (A,)."""
    grid = project_grid(project, raters=np.full(project.latent.shape[0], raters))
    used = np.ones(grid.scores.shape, dtype=np.bool_)
    found = [
        kappa_group_sd(level_counts(grid, used=used, attribute=index), unit_groups=grid.task, weights="quadratic")
        for index in range(len(ATTRIBUTES))
    ]
    return np.array([np.nan if each is None else each for each in found])


def project_grid(project: SimulatedProject, *, raters: IntArray) -> RatingGrid:
    """Return the ratings of the first `raters` (T,) annotators of each task, sorted as a RatingGrid is."""
    order = np.argsort(project.annotators, axis=1)
    by_place = grid_from_array(
        np.take_along_axis(project.scores, order[:, None, :, None], axis=2),
        raters=np.full(raters.size, order.shape[1]),
    )
    response_shape = (raters.size, RESPONSES_PER_TASK, order.shape[1])
    rank = np.broadcast_to(order[:, None], response_shape).ravel()
    annotator = np.take_along_axis(project.annotators, order, axis=1)
    whole = RatingGrid(
        scores=by_place.scores,
        given=by_place.given,
        response=by_place.response,
        annotator=np.broadcast_to(annotator[:, None], response_shape).ravel(),
        task=by_place.task,
        rank=rank,
        rows=by_place.rows,
        num_tasks=by_place.num_tasks,
    )
    return chosen_ratings(whole, where=rank < raters[whole.task[whole.response]])


def _rated_table(grid: RatingGrid) -> RatedTable:
    """Return the grid as ratings that were read: no gold, no times, every annotator named."""
    people = int(grid.annotator.max()) + 1
    width = len(str(people))
    names = tuple(f"{number:0{width}d}" for number in range(people))
    responses = pl.DataFrame({"task": grid.task, "response_id": np.arange(grid.task.size)}).select(
        "task",
        pl.col("task").cast(pl.String).alias("task_id"),
        pl.col("response_id").cast(pl.String),
        row="response_id",
    )
    return RatedTable(
        grid=grid,
        gold=chosen_ratings(grid, where=np.zeros(grid.response.size, dtype=np.bool_)),
        responses=responses,
        annotators=names,
        reasons=pl.Series([None] * grid.response.size, dtype=pl.String),
        row_tasks=grid.task[grid.response],
        seconds=np.full(int(grid.rows.max()) + 1, np.nan),
        order="rows",
        is_named=True,
    )


def _first(grid: RatingGrid, *, design: DesignSettings) -> BoolArray:
    """Return which scores (R, A) are among the first three, or the first two of a design that starts with two."""
    is_first = grid.rank < min(FIRST_RATINGS, design.first)
    return np.broadcast_to(is_first[:, None], grid.scores.shape)


def _kappas(grid: RatingGrid, stages: Stages, *, design: DesignSettings) -> FloatArray:
    used = (_first(grid, design=design), stages.all, stages.selected, stages.final)
    return np.array([[_kappa(grid, each, attribute=index) for index in range(len(ATTRIBUTES))] for each in used])


def _kappa(grid: RatingGrid, used: BoolArray, *, attribute: int) -> float:
    kappa = pooled_kappa(count_tables(level_counts(grid, used=used, attribute=attribute)), weights="quadratic").value
    return np.nan if kappa is None else kappa
