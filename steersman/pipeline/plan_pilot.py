"""Read a pilot: how well its annotators agree among the first three ratings, and how far each leans."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steersman.annotation.calibration import FIRST_RATINGS, FirstRatings, PilotFigures, first_ratings, leaning_variance
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, level_counts
from steersman.dataset.reading import read_ratings_table
from steersman.errors import DataError
from steersman.pipeline.ratings_file import open_ratings
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import pooled_kappas
from steersman.stats.counts import count_tables
from steersman.stats.resampling import percentile_interval, resample_groups

_KEPT = 3
_ROUNDS = 1_000
_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class Pilot:
    """What calibration needs of a pilot, and its first ratings of every attribute that was rated."""

    figures: PilotFigures
    first: dict[str, FirstRatings]


def read_pilot(path: Path, *, seed: int) -> Pilot:
    """Return the figures of the ratings in `path`; `seed` decides the resamples behind the interval.

    Raises DataError when they cannot be read, were selected already, or agree by chance alone.
    """
    given = open_ratings(path, keep=_KEPT)
    if given.is_selected:
        raise DataError(
            f"{path}: holds only ratings that were already selected, which agree better than the first ones did; "
            "give the ratings as they came in"
        )
    rated = read_ratings_table(given.ratings, is_named=not given.is_list)
    grid = rated.grid
    used = np.broadcast_to((grid.rank < FIRST_RATINGS)[:, None], grid.scores.shape)
    tables = {
        name: count_tables(level_counts(grid, used=used, attribute=index)) for index, name in enumerate(ATTRIBUTES)
    }
    first = {name: first_ratings(each) for name, each in tables.items() if each.totals.any()}
    kappa = first["helpfulness"].kappa if "helpfulness" in first else None
    interval = _interval(grid, used, seed=seed)
    if kappa is None or interval is None:
        raise DataError(
            f"{path}: agreement on helpfulness is not defined: no two different tasks have two ratings of a response, "
            "or all ratings are the same"
        )
    figures = PilotFigures(
        tasks=_tasks_with_pairs(grid, used),
        annotators=len(rated.annotators),
        kappa=kappa,
        kappa_interval=interval,
        leaning_variance=_leaning(grid, used) if rated.is_named else None,
    )
    return Pilot(figures, first)


def _counts(grid: RatingGrid, used: BoolArray) -> IntArray:
    return level_counts(grid, used=used, attribute=_HELPFULNESS)


def _interval(grid: RatingGrid, used: BoolArray, *, seed: int) -> tuple[float, float] | None:
    rng = np.random.default_rng(seed)
    resamples = resample_groups(_counts(grid, used), unit_groups=grid.task, rng=rng, rounds=_ROUNDS)
    return percentile_interval(pooled_kappas(resamples, weights="quadratic"))


def _tasks_with_pairs(grid: RatingGrid, used: BoolArray) -> int:
    has_pair = _counts(grid, used).sum(axis=1) >= 2
    return int(np.unique(grid.task[has_pair]).size)


def _leaning(grid: RatingGrid, used: BoolArray) -> float | None:
    where = used[:, _HELPFULNESS] & grid.given[:, _HELPFULNESS]
    response = grid.response[where]
    return leaning_variance(
        grid.scores[where, _HELPFULNESS].astype(np.int64),
        response=response,
        task=grid.task[response],
        annotator=grid.annotator[where],
    )
