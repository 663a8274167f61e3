"""Kappa and alpha at each stage of cleaning, beside what random raters would reach: the same for files and live.

R ratings in a grid, S responses, A attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from steersman.config.cleaning import CleanSettings
from steersman.dataset.chance import Design, Needed, design_of, random_raters
from steersman.dataset.cleaning import Stages, cleaning_stages
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, chosen_ratings, level_counts
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import pooled_kappa, pooled_kappas
from steersman.stats.counts import CountTables, count_tables
from steersman.stats.kappa import Coefficient
from steersman.stats.resampling import percentile_interval, resample_groups

STAGES = ("first_three", "all", "selected", "final")
_RANDOM_SEED = 20_240_612


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: `rounds` resamples of tasks from `seed`."""

    seed: int = 0
    rounds: int = 1000


@dataclass(frozen=True, slots=True, eq=False)
class StageFigures:
    """Agreement on one attribute at one stage.

    `tables` are the counts of the levels, from which every coefficient follows; `kappa` is quadratic, `interval` its
    95 % bootstrap interval, and `random_raters` the kappa of raters who know nothing.
    """

    tables: CountTables
    kappa: Coefficient
    interval: tuple[float, float] | None
    random_raters: float | None
    tasks: int
    ratings: int


@dataclass(frozen=True, slots=True)
class ByChance:
    """Random raters, which of their ratings count at each stage, and which (R, 1) are of the group looked at."""

    grid: RatingGrid
    stages: Stages
    chosen: BoolArray


def stage_figures(
    grid: RatingGrid, stages: Stages, *, by_chance: ByChance, chosen: BoolArray, bootstrap: Bootstrap
) -> Mapping[str, Mapping[str, StageFigures]]:
    """Return the figures by attribute and stage of the ratings that are `chosen` (R,)."""
    return {
        attribute: {
            stage: _figures(
                grid,
                used_at(stages, stage) & chosen[:, None],
                attribute=index,
                random_raters=_kappa(by_chance.grid, used_at(by_chance.stages, stage) & by_chance.chosen, index),
                bootstrap=bootstrap,
            )
            for stage in STAGES
        }
        for index, attribute in enumerate(ATTRIBUTES)
    }


def used_at(stages: Stages, stage: str) -> BoolArray:
    """Return which scores (R, A) count at a stage."""
    used: BoolArray = getattr(stages, stage)
    return used


def chance_of_design(design: Design, *, rules: CleanSettings, needed: Needed) -> ByChance:
    """Return random raters, all trusted, under a design."""
    grid = random_raters(design, needed=needed, keep=rules.keep, rng=np.random.default_rng(_RANDOM_SEED))
    return ByChance(grid, cleaning_stages(grid, rules=rules), np.ones((grid.rows.size, 1), dtype=np.bool_))


def chance_of_ratings(
    rated: RatingGrid, *, chosen: BoolArray, is_trusted: BoolArray, rules: CleanSettings, needed: Needed
) -> ByChance:
    """Return random raters under the design of the tasks with ratings that are `chosen` (R,), of which there are some.

    `is_trusted` (P,) says whose places are left out when ratings are selected.
    """
    task = rated.task[rated.response]
    is_there = (np.bincount(task[chosen], minlength=rated.num_tasks) > 0)[task]
    there = rated if is_there.all() else chosen_ratings(rated, where=is_there)
    design = design_of(there, needed=needed)
    rng = np.random.default_rng(_RANDOM_SEED)
    grid = random_raters(design, needed=needed, keep=rules.keep, rng=rng)
    places = np.flatnonzero(is_there)[grid.rows]
    trusted = is_trusted[rated.annotator[places]]
    return ByChance(grid, cleaning_stages(grid, rules=rules, trusted=trusted), chosen[places][:, None])


def _figures(
    grid: RatingGrid, used: BoolArray, *, attribute: int, random_raters: float | None, bootstrap: Bootstrap
) -> StageFigures:
    counts = level_counts(grid, used=used, attribute=attribute)
    tables = count_tables(counts)
    rng = np.random.default_rng(bootstrap.seed)
    resamples = resample_groups(counts, unit_groups=grid.task, rng=rng, rounds=bootstrap.rounds)
    return StageFigures(
        tables=tables,
        kappa=pooled_kappa(tables, weights="quadratic"),
        interval=percentile_interval(pooled_kappas(resamples, weights="quadratic")),
        random_raters=random_raters,
        tasks=_different(grid.task[counts.any(axis=1)]),
        ratings=int(counts.sum()),
    )


def _kappa(grid: RatingGrid, used: BoolArray, attribute: int) -> float | None:
    tables = count_tables(level_counts(grid, used=used, attribute=attribute))
    return pooled_kappa(tables, weights="quadratic").value


def _different(ascending: IntArray) -> int:
    return int((np.diff(ascending) > 0).sum()) + int(ascending.size > 0)
