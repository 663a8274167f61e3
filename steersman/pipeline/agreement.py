"""`steersman agreement`: kappa and alpha at each stage of cleaning, beside what random raters would reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from steersman.annotation.escalation import MOST_ANNOTATORS, ratings_needed
from steersman.config.cleaning import CleanSettings
from steersman.dataset.chance import design_of, random_raters, three_then
from steersman.dataset.cleaning import CleanResult, Stages, clean, cleaning_stages
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, chosen_ratings, level_counts
from steersman.errors import ConfigError
from steersman.pipeline.ratings_file import GROUPS, RatingsFile, named_in_faults, open_ratings
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import (
    fleiss_kappa,
    gwet_coefficient,
    krippendorff_alpha,
    pooled_kappa,
    pooled_kappas,
)
from steersman.stats.counts import CountTables, count_tables
from steersman.stats.intraclass import intraclass_single
from steersman.stats.resampling import percentile_interval, resample_groups

STAGES = ("first_three", "all", "selected", "final")
_RANDOM_SEED = 20_240_612

Order = Literal["time", "rows", "list"]
Figures = dict[str, object]
Agreement = dict[str, dict[str, Figures | None]]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: `rounds` resamples of tasks from `seed`."""

    seed: int
    rounds: int


def run(path: Path, *, rules: CleanSettings, seed: int, rounds: int) -> Agreement:
    """Return agreement by attribute and stage for a ratings or disagreements file, as `--json` prints it.

    `rounds` bootstrap resamples of tasks give the intervals. Raises DataError for a file that cannot be read.
    """
    given, result = read_and_clean(path, rules=rules)
    return agreement_figures(result, given=given, rules=rules, bootstrap=Bootstrap(seed, rounds))


def run_by(path: Path, *, by: Sequence[str], rules: CleanSettings, seed: int, rounds: int) -> dict[str, Agreement]:
    """Return the figures of `run` for each combination of values of the columns `by`, as `--by --json` prints it.

    Columns are those of GROUPS, keys such as "guideline_version=2,no delivery" where no value is recorded. All ratings
    are cleaned together. Raises ConfigError for `by` where it says nothing.
    """
    given, result = read_and_clean(path, rules=rules)
    return {
        name: agreement_figures(result, given=given, rules=rules, bootstrap=Bootstrap(seed, rounds), where=where)
        for name, where in _groups(result, given, path=path, by=by).items()
    }


def read_and_clean(path: Path, *, rules: CleanSettings) -> tuple[RatingsFile, CleanResult]:
    """Return the ratings in `path` and what cleaning makes of them; raises DataError that names what is wrong."""
    given = open_ratings(path, keep=rules.keep)
    with named_in_faults(path):
        return given, clean(given.ratings, rules=rules, is_named=not given.is_list)


def agreement_figures(
    result: CleanResult,
    *,
    given: RatingsFile,
    rules: CleanSettings,
    bootstrap: Bootstrap,
    where: BoolArray | None = None,
) -> Agreement:
    """Return the figures of `run` for ratings already cleaned, of those that `where` (R,) holds."""
    grid = result.rated.grid
    chosen = np.ones(grid.response.size, dtype=np.bool_) if where is None else where
    by_chance = _by_chance(result, chosen=chosen, rules=rules, is_selected=given.is_selected)
    figures: Agreement = {attribute: {} for attribute in ATTRIBUTES}
    for index, attribute in enumerate(ATTRIBUTES):
        for stage in STAGES:
            used = _used(result.stages, stage) & chosen[:, None]
            measured = _figures(grid, used, attribute=index, bootstrap=bootstrap)
            chance = _kappa(by_chance.grid, _used(by_chance.stages, stage) & by_chance.chosen, attribute=index)
            figures[attribute][stage] = {**measured, "random_raters": chance}
        first = figures[attribute]["first_three"] or {}
        order: Order = "list" if given.is_list else result.rated.order
        figures[attribute]["first_three"] = None if given.is_selected else {**first, "order": order}
    return figures


def _groups(result: CleanResult, given: RatingsFile, *, path: Path, by: Sequence[str]) -> dict[str, BoolArray]:
    """Return which ratings (R,) are of each combination of values of the columns `by`, in order of the values."""
    unknown = [name for name in by if name not in GROUPS]
    if unknown:
        raise ConfigError(f"--by {','.join(by)}: {unknown} cannot be grouped by; choose from {', '.join(GROUPS)}")
    values = given.ratings[result.rated.grid.rows].select(by)
    if values.select(pl.all_horizontal(pl.all().is_null().all())).item():
        raise ConfigError(f"--by {','.join(by)}: no rating of {path} has a value there; record it or leave --by out")
    names = values.select(
        pl.concat_str([(pl.lit(f"{name}=") + pl.col(name)).fill_null(f"no {name}") for name in by], separator=",")
    ).to_series()
    return {name: (names == name).to_numpy() for name in names.unique().sort().to_list()}


@dataclass(frozen=True, slots=True)
class _ByChance:
    """Random raters, which of their ratings count at each stage, and which (R, 1) are of the group looked at."""

    grid: RatingGrid
    stages: Stages
    chosen: BoolArray


def _by_chance(result: CleanResult, *, chosen: BoolArray, rules: CleanSettings, is_selected: bool) -> _ByChance:
    """Return random raters under the design of the tasks with ratings that are `chosen` (R,).

    Of ratings already selected the published design, three then five, is assumed.
    """
    rng = np.random.default_rng(_RANDOM_SEED)
    if is_selected or not chosen.any():
        grid = random_raters(three_then(MOST_ANNOTATORS), needed=ratings_needed, keep=rules.keep, rng=rng)
        stages = cleaning_stages(grid, rules=rules)
        stages = replace(stages, all=stages.selected) if is_selected else stages
        return _ByChance(grid, stages, np.ones((grid.rows.size, 1), dtype=np.bool_))
    rated = result.rated.grid
    task = rated.task[rated.response]
    is_there = (np.bincount(task[chosen], minlength=rated.num_tasks) > 0)[task]
    design = design_of(chosen_ratings(rated, where=is_there), needed=ratings_needed)
    grid = random_raters(design, needed=ratings_needed, keep=rules.keep, rng=rng)
    places = np.flatnonzero(is_there)[grid.rows]
    trusted = result.trust.is_trusted[rated.annotator[places]]
    return _ByChance(grid, cleaning_stages(grid, rules=rules, trusted=trusted), chosen[places][:, None])


def _used(stages: Stages, stage: str) -> BoolArray:
    used: BoolArray = getattr(stages, stage)
    return used


def _tables(grid: RatingGrid, used: BoolArray, *, attribute: int) -> CountTables:
    return count_tables(level_counts(grid, used=used, attribute=attribute))


def _kappa(grid: RatingGrid, used: BoolArray, *, attribute: int) -> float | None:
    return pooled_kappa(_tables(grid, used, attribute=attribute), weights="quadratic").value


def _figures(grid: RatingGrid, used: BoolArray, *, attribute: int, bootstrap: Bootstrap) -> Figures:
    counts = level_counts(grid, used=used, attribute=attribute)
    tables = count_tables(counts)
    kappa = pooled_kappa(tables, weights="quadratic")
    rng = np.random.default_rng(bootstrap.seed)
    resamples = resample_groups(counts, unit_groups=grid.task, rng=rng, rounds=bootstrap.rounds)
    interval = percentile_interval(pooled_kappas(resamples, weights="quadratic"))
    figures: Figures = {
        "kappa_quadratic": kappa.value,
        "kappa_ci95": None if interval is None else list(interval),
        **_other_coefficients(tables),
        "tasks": _different(grid.task[counts.any(axis=1)]),
        "ratings": int(counts.sum()),
    }
    return figures if kappa.reason is None else {**figures, "reason": kappa.reason}


def _different(ascending: IntArray) -> int:
    return int((np.diff(ascending) > 0).sum()) + int(ascending.size > 0)


def _other_coefficients(tables: CountTables) -> Mapping[str, float | None]:
    return {
        "kappa_linear": pooled_kappa(tables, weights="linear").value,
        "kappa_unweighted": pooled_kappa(tables, weights="unweighted").value,
        "alpha_nominal": krippendorff_alpha(tables, metric="nominal").value,
        "alpha_ordinal": krippendorff_alpha(tables, metric="ordinal").value,
        "alpha_interval": krippendorff_alpha(tables, metric="interval").value,
        "alpha_ratio": krippendorff_alpha(tables, metric="ratio").value,
        "fleiss_kappa": fleiss_kappa(tables).value,
        "gwet_ac2": gwet_coefficient(tables, weights="quadratic").value,
        "icc1": intraclass_single(tables).value,
    }
