"""`steersman agreement`: kappa and alpha at each stage of cleaning, beside what random raters would reach."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from steersman.annotation.escalation import MOST_ANNOTATORS, ratings_needed
from steersman.config.cleaning import CleanSettings
from steersman.dataset.agreement import (
    Bootstrap,
    ByChance,
    StageFigures,
    chance_of_design,
    chance_of_ratings,
    stage_figures,
)
from steersman.dataset.chance import three_then
from steersman.dataset.cleaning import CleanResult, clean
from steersman.dataset.grid import BoolArray
from steersman.errors import ConfigError
from steersman.pipeline.ratings_file import GROUPS, RatingsFile, named_in_faults, open_ratings
from steersman.stats.coefficients import fleiss_kappa, gwet_coefficient, krippendorff_alpha, pooled_kappa
from steersman.stats.counts import CountTables
from steersman.stats.intraclass import intraclass_single

Order = Literal["time", "rows", "list"]
Figures = dict[str, object]
Agreement = dict[str, dict[str, Figures | None]]


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
    measured = stage_figures(grid, result.stages, by_chance=by_chance, chosen=chosen, bootstrap=bootstrap)
    order: Order = "list" if given.is_list else result.rated.order
    figures: Agreement = {}
    for attribute, by_stage in measured.items():
        told: dict[str, Figures | None] = {stage: _told(each) for stage, each in by_stage.items()}
        first = told["first_three"] or {}
        figures[attribute] = {**told, "first_three": None if given.is_selected else {**first, "order": order}}
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


def _by_chance(result: CleanResult, *, chosen: BoolArray, rules: CleanSettings, is_selected: bool) -> ByChance:
    """Return random raters under the design of the tasks with ratings that are `chosen` (R,).

    Of ratings already selected the published design, three then five, is assumed.
    """
    if not is_selected and chosen.any():
        return chance_of_ratings(
            result.rated.grid,
            chosen=chosen,
            is_trusted=result.trust.is_trusted,
            rules=rules,
            needed=ratings_needed,
        )
    found = chance_of_design(three_then(MOST_ANNOTATORS), rules=rules, needed=ratings_needed)
    return replace(found, stages=replace(found.stages, all=found.stages.selected)) if is_selected else found


def _told(figures: StageFigures) -> Figures:
    tables, reason = figures.tables, figures.kappa.reason
    told: Figures = {
        "kappa_quadratic": figures.kappa.value,
        "kappa_ci95": None if figures.interval is None else list(figures.interval),
        **_other_coefficients(tables),
        "tasks": figures.tasks,
        "ratings": figures.ratings,
        **({} if reason is None else {"reason": reason}),
        "random_raters": figures.random_raters,
    }
    return told


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
