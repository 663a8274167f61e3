"""`steersman agreement`: kappa and alpha at each stage of cleaning, beside what random raters would reach."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from steersman.annotation.escalation import MOST_ANNOTATORS, ratings_needed
from steersman.config.sections import CleanSettings
from steersman.dataset.chance import Design, design_of, random_raters
from steersman.dataset.cleaning import CleanResult, Stages, clean, cleaning_stages
from steersman.dataset.grid import BoolArray, RatingGrid, check_times, level_counts
from steersman.dataset.lists import is_already_selected, ratings_from_disagreements
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.stats.agreement import coincidence_table, kappa_interval, krippendorff_alpha, quadratic_kappa
from steersman.store.files import read_lines, read_table
from steersman.tables import DISAGREEMENTS, RATINGS

STAGES = ("first_three", "all", "selected", "final")
_RANDOM_SEED = 20_240_612

Order = Literal["time", "rows", "list"]
Figures = dict[str, object]


@dataclass(frozen=True, slots=True)
class RatingsInput:
    """A file of ratings as a RATINGS table; `is_selected` when its lists hold only ratings already selected."""

    ratings: pl.DataFrame
    is_list: bool
    is_selected: bool


def run(path: Path, *, rules: CleanSettings, seed: int, rounds: int) -> dict[str, dict[str, Figures | None]]:
    """Return agreement by attribute and stage for a ratings or disagreements file, as `--json` prints it.

    `rounds` bootstrap resamples of tasks give the intervals. Raises DataError for a file that cannot be read.
    """
    given = read_ratings(path, keep=rules.keep)
    return agreement_figures(clean(given.ratings, rules=rules), given=given, rules=rules, seed=seed, rounds=rounds)


def read_ratings(path: Path, *, keep: int) -> RatingsInput:
    """Return the ratings in `path`, one row per rating or HelpSteer2's lists, told apart by the first row.

    Raises DataError that names every faulty row, also those whose time cannot be read.
    """
    if not isinstance(_first_row(path).get("helpfulness"), list):
        return RatingsInput(_rows(path), is_list=False, is_selected=False)
    lists = read_table(path, table=DISAGREEMENTS)
    ratings = ratings_from_disagreements(lists, keep=keep)
    return RatingsInput(ratings, is_list=True, is_selected=is_already_selected(lists, keep=keep))


def _rows(path: Path) -> pl.DataFrame:
    ratings = read_table(path, table=RATINGS)
    try:
        check_times(ratings)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return ratings


def _first_row(path: Path) -> Mapping[str, object]:
    if path.suffix == ".parquet":
        try:
            rows = pl.read_parquet(path, n_rows=1).to_dicts()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
        return rows[0] if rows else {}
    line = next((line for line in read_lines(path) if line.strip()), "{}")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        # the reader of the whole table says what is wrong with the line
        return {}
    return row if isinstance(row, dict) else {}


def agreement_figures(
    result: CleanResult, *, given: RatingsInput, rules: CleanSettings, seed: int, rounds: int
) -> dict[str, dict[str, Figures | None]]:
    """Return the figures of `run` for ratings already cleaned."""
    rng = np.random.default_rng(seed)
    random_grid = _random_grid(result.rated.grid, rules=rules, is_selected=given.is_selected)
    random_stages = cleaning_stages(random_grid, rules=rules)
    if given.is_selected:
        random_stages = replace(random_stages, all=random_stages.selected)
    figures: dict[str, dict[str, Figures | None]] = {attribute: {} for attribute in ATTRIBUTES}
    for index, attribute in enumerate(ATTRIBUTES):
        for stage in STAGES:
            chance = _kappa(random_grid, _used(random_stages, stage), attribute=index)
            measured = _figures(result.rated.grid, _used(result.stages, stage), attribute=index, rng=rng, rounds=rounds)
            figures[attribute][stage] = {**measured, "random_raters": chance}
        first = figures[attribute]["first_three"] or {}
        order: Order = "list" if given.is_list else result.rated.order
        figures[attribute]["first_three"] = None if given.is_selected else {**first, "order": order}
    return figures


def _random_grid(grid: RatingGrid, *, rules: CleanSettings, is_selected: bool) -> RatingGrid:
    """Return random raters under the design of `grid`; of selected ratings the published one, 3 then 5, is assumed."""
    design = design_of(grid, needed=ratings_needed)
    if is_selected or design.sizes.size == 0:
        design = Design(np.array([MOST_ANNOTATORS]), is_extended=True)
    rng = np.random.default_rng(_RANDOM_SEED)
    return random_raters(design, needed=ratings_needed, keep=rules.keep, rng=rng)


def _used(stages: Stages, stage: str) -> BoolArray:
    used: BoolArray = getattr(stages, stage)
    return used


def _kappa(grid: RatingGrid, used: BoolArray, *, attribute: int) -> float | None:
    return quadratic_kappa(coincidence_table(level_counts(grid, used=used, attribute=attribute))).value


def _figures(grid: RatingGrid, used: BoolArray, *, attribute: int, rng: np.random.Generator, rounds: int) -> Figures:
    counts = level_counts(grid, used=used, attribute=attribute)
    table = coincidence_table(counts)
    kappa = quadratic_kappa(table)
    interval = kappa_interval(counts, unit_groups=grid.task, rng=rng, rounds=rounds)
    figures: Figures = {
        "kappa_quadratic": kappa.value,
        "kappa_ci95": None if interval is None else list(interval),
        "alpha_ordinal": krippendorff_alpha(table, metric="ordinal").value,
        "tasks": int(np.unique(grid.task[counts.sum(axis=1) > 0]).size),
        "ratings": int(counts.sum()),
    }
    return figures if kappa.reason is None else {**figures, "reason": kappa.reason}
