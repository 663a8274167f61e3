"""Turn several strengths of preference into one label per task, and record what became of every strength.

HelpSteer2-Preference (arXiv:2410.01257) keeps the three most similar strengths of a task, takes their mean to the
nearest whole number, and drops the task when that is 0 or when the three differ by more than 2. What it leaves open is
decided so that swapping the two responses turns every label around: ties fall to annotator ids, never to a sign, and
halves are rounded away from zero (docs/decisions/0008-splitting-and-preferences.md).

T tasks, V valid strengths, C combinations of three.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from steersman.config.preferences import PreferenceRules
from steersman.dataset.grid import BoolArray, IntArray
from steersman.errors import DataError, join_faults

NUM_KEPT = 3
NOT_VALID = "not_valid"
OUTVOTED = "outvoted"
TOO_FEW_RATINGS = "too_few_ratings"
SPREAD = "spread"
NO_PREFERENCE = "no_preference"
TASK_REASONS = (TOO_FEW_RATINGS, SPREAD, NO_PREFERENCE)
_REASONS = pl.Enum((*TASK_REASONS, NOT_VALID, OUTVOTED))
_CELLS_AT_ONCE = 1 << 20
# larger than any sum of distances from a doubled median, so that similarity is compared first
_FIRST = 1 << 6


@dataclass(frozen=True, slots=True)
class PreferenceResult:
    """Labels and the story of every strength.

    `tasks` has one row per task in order of first mention: task_id, strength (null where dropped), mean and spread of
    the kept strengths, valid (how many there were), reason. `decisions` has one row per rating, in order: task_id,
    annotator, kept, reason; a kept strength of a dropped task bears the task's reason. Both counts add up: what came
    in is what is left and what was dropped.
    """

    tasks: pl.DataFrame
    decisions: pl.DataFrame
    tasks_in: int
    tasks_out: int
    ratings_in: int
    ratings_kept: int
    dropped: dict[str, int]
    ratings_left_out: dict[str, int]


def clean_preferences(ratings: pl.DataFrame, *, rules: PreferenceRules) -> PreferenceResult:
    """Return the labels of a PREFERENCE_RATINGS table under `rules`; the order of rows decides nothing.

    Of a task's valid strengths those three are kept whose absolute differences add up to least; of several such, the
    ones nearest to the median of all; then those of the annotators whose ids sort first. A task goes for the first of
    TASK_REASONS that holds. Raises DataError where an annotator judged a task twice.
    """
    tasks = ratings["task_id"].unique(maintain_order=True)
    row_tasks = _numbered(ratings["task_id"], known=tasks)
    order = _sorted_rows(ratings, row_tasks)
    valid = order[ratings["strength"].is_not_null().to_numpy()[order]]
    strengths = ratings["strength"].gather(valid).cast(pl.Int64).to_numpy()
    is_kept = _most_similar(row_tasks[valid], strengths)
    labels = _labels(row_tasks[valid][is_kept], strengths[is_kept], num_tasks=tasks.len())
    counts = np.bincount(row_tasks[valid], minlength=tasks.len())
    labels = labels.with_columns(tasks.alias("task_id"), valid=counts)
    labels = labels.with_columns(_task_reason(rules).cast(_REASONS).alias("reason"))
    kept_rows = np.zeros(ratings.height, dtype=np.bool_)
    kept_rows[valid[is_kept]] = True
    return _result(ratings, labels, row_tasks=row_tasks, kept_rows=kept_rows)


def _numbered(names: pl.Series, *, known: pl.Series) -> IntArray:
    return names.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()


def _sorted_rows(ratings: pl.DataFrame, row_tasks: IntArray) -> IntArray:
    """Return the rows in order of task, then of annotator id; raises DataError where an annotator judged one twice."""
    annotators = _numbered(ratings["annotator"], known=ratings["annotator"].unique().sort())
    order = np.lexsort((annotators, row_tasks))
    again = (np.diff(row_tasks[order]) == 0) & (np.diff(annotators[order]) == 0)
    twice = ratings.select("task_id", "annotator")[order[1:][again]].unique(maintain_order=True).rows()
    faults = [f"annotator '{person}' judged task '{task}' more than once" for task, person in twice]
    if faults:
        raise DataError(f"{join_faults(faults)}. Keep one strength of each annotator for a task.")
    return order


def _most_similar(tasks: IntArray, strengths: IntArray) -> BoolArray:
    """Return which strengths are kept, (V,); `tasks` (V,) ascends, within a task the annotators' ids do."""
    sizes = np.bincount(tasks)
    is_kept = sizes[tasks] <= NUM_KEPT
    medians = _doubled_medians(tasks, strengths, sizes=sizes)
    eligible = np.flatnonzero(~is_kept & _is_first_of_level(tasks, strengths))
    counts = np.bincount(tasks[eligible], minlength=sizes.size)
    starts = np.cumsum(counts) - counts
    for size in np.unique(counts[counts > 0]).tolist():
        here = np.flatnonzero(counts == size)
        trios = np.array(list(combinations(range(size), NUM_KEPT)))
        step = max(1, _CELLS_AT_ONCE // trios.size)
        for some in np.split(here, range(step, here.size, step)):
            rows = eligible[starts[some][:, None] + np.arange(size)]
            best = trios[_best(strengths[rows], trios, medians=medians[some])]
            is_kept[np.take_along_axis(rows, best, axis=1)] = True
    return is_kept


def _is_first_of_level(tasks: IntArray, strengths: IntArray) -> BoolArray:
    """Return which strengths are among the first three equal ones of their task, (V,); no others can ever be kept."""
    order = np.lexsort((strengths, tasks))
    starts = np.flatnonzero((np.diff(tasks[order], prepend=-1) != 0) | (np.diff(strengths[order], prepend=-9) != 0))
    places = np.arange(order.size) - np.repeat(starts, np.diff(starts, append=order.size))
    is_first = np.empty(order.size, dtype=np.bool_)
    is_first[order] = places < NUM_KEPT
    return is_first


def _doubled_medians(tasks: IntArray, strengths: IntArray, *, sizes: IntArray) -> IntArray:
    ordered = strengths[np.lexsort((strengths, tasks))]
    ends = np.cumsum(sizes)
    lower, upper = ends - sizes + (sizes - 1) // 2, ends - sizes + sizes // 2
    # a task without a valid strength has no median and needs none
    is_rated = sizes > 0
    medians = np.zeros_like(sizes)
    medians[is_rated] = ordered[lower[is_rated]] + ordered[upper[is_rated]]
    return medians


def _best(strengths: IntArray, trios: IntArray, *, medians: IntArray) -> IntArray:
    """Return the place of the best of `trios` (C, 3) for each task; `strengths` (T, m), `medians` (T,) doubled.

    Trios come in the order of their annotators' ids, so the first of equals is the one whose ids sort first. Three
    numbers differ by twice their range in all, so the range compares them as the sum of differences does.
    """
    chosen = strengths[:, trios]
    ranges = chosen.max(axis=2) - chosen.min(axis=2)
    distances = np.abs(2 * chosen - medians[:, None, None]).sum(axis=2)
    return np.asarray((ranges * _FIRST + distances).argmin(axis=1), dtype=np.int64)


def _labels(tasks: IntArray, strengths: IntArray, *, num_tasks: int) -> pl.DataFrame:
    """Return mean, spread and strength of each task from the kept strengths, null where there are none."""
    kept = np.bincount(tasks, minlength=num_tasks)
    total = np.bincount(tasks, weights=strengths, minlength=num_tasks).astype(np.int64)
    lowest, highest = np.full(num_tasks, 9), np.full(num_tasks, -9)
    np.minimum.at(lowest, tasks, strengths)
    np.maximum.at(highest, tasks, strengths)
    divisor = np.maximum(kept, 1)
    labels = pl.DataFrame(
        {"strength": _away_from_zero(total, divisor), "mean": total / divisor, "spread": highest - lowest}
    )
    return labels.select(pl.when(pl.Series(kept > 0)).then(pl.all()))


def _away_from_zero(total: IntArray, divisor: IntArray) -> IntArray:
    """Return `total / divisor` to the nearest whole number, halves away from zero.

    Rounding halves up would favour the second response: 1.5 would become 2, but its mirror image -1.5 only -1.
    """
    return np.asarray(np.sign(total) * ((2 * np.abs(total) + divisor) // (2 * divisor)))


def _task_reason(rules: PreferenceRules) -> pl.Expr:
    return (
        pl.when(pl.col("valid") < rules.min_ratings)
        .then(pl.lit(TOO_FEW_RATINGS))
        .when(pl.col("spread") > rules.max_spread)
        .then(pl.lit(SPREAD))
        .when(pl.col("strength") == 0)
        .then(pl.lit(NO_PREFERENCE))
    )


def _result(
    ratings: pl.DataFrame, labels: pl.DataFrame, *, row_tasks: IntArray, kept_rows: BoolArray
) -> PreferenceResult:
    reasons = (
        pl.when(pl.col("strength").is_null())
        .then(pl.lit(NOT_VALID))
        .when(~pl.col("kept"))
        .then(pl.lit(OUTVOTED))
        .otherwise(pl.col("task_reason").cast(pl.String))
    )
    decided = ratings.select("task_id", "annotator", "strength").with_columns(
        kept=pl.Series(kept_rows), task_reason=labels["reason"].gather(row_tasks)
    )
    decisions = decided.with_columns(reason=reasons.cast(_REASONS)).with_columns(kept=pl.col("reason").is_null())
    decisions = decisions.select("task_id", "annotator", "kept", "reason")
    is_left = pl.col("reason").is_null()
    return PreferenceResult(
        tasks=labels.select("task_id", pl.when(is_left).then("strength"), "mean", "spread", "valid", "reason"),
        decisions=decisions,
        tasks_in=labels.height,
        tasks_out=labels["reason"].null_count(),
        ratings_in=ratings.height,
        ratings_kept=int(decisions["kept"].sum()),
        dropped=_counted(labels["reason"]),
        ratings_left_out=_counted(decisions["reason"]),
    )


def _counted(reasons: pl.Series) -> dict[str, int]:
    return dict(reasons.drop_nulls().cast(pl.String).alias("reason").value_counts().sort("reason").rows())
