"""Turn several ratings of each response into one label per attribute, and record what became of every rating."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.config.sections import CleanSettings
from steersman.dataset.grid import (
    GOLD,
    BoolArray,
    IntArray,
    RatedTable,
    RatingGrid,
    level_counts,
    read_ratings_table,
)
from steersman.dataset.selection import select_ratings
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.tables import DISAGREEMENTS, EXAMPLES

OUTVOTED = "outvoted"
NOT_TWO_RESPONSES = "not_two_responses"
TOO_FEW_RATINGS = "too_few_ratings"
UNRATED_ATTRIBUTE = "unrated_attribute"
SPREAD = "spread"

FIRST_RATINGS = 3
FEWEST_RATINGS = 2
RESPONSES_PER_TASK = 2
_HELPFULNESS = ATTRIBUTES.index("helpfulness")
DECISION_COLUMNS = ("task_id", "response_id", "annotator", "kept", "reason")


@dataclass(frozen=True, slots=True)
class Stages:
    """Which ratings (R,) count at each stage of cleaning, and why each task (T,) was dropped, or None."""

    first_three: BoolArray
    all: BoolArray
    selected: BoolArray
    final: BoolArray
    task_reasons: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class CleanResult:
    """Labels and the story of every rating.

    `examples` (EXAMPLES) and `disagreements` (DISAGREEMENTS) have two rows per task, in order. `disagreements` holds
    the selected ratings of every task with enough of them, also of those dropped for their spread. `decisions` has one
    row per rating: task_id, response_id, annotator, kept, reason. `dropped` counts tasks, `ratings_left_out` ratings;
    tasks_in = tasks_out + sum of `dropped`, and the same for ratings.
    """

    examples: pl.DataFrame
    disagreements: pl.DataFrame
    decisions: pl.DataFrame
    rated: RatedTable
    stages: Stages
    tasks_in: int
    tasks_out: int
    ratings_in: int
    ratings_kept: int
    dropped: dict[str, int]
    ratings_left_out: dict[str, int]


def clean(ratings: pl.DataFrame, *, rules: CleanSettings) -> CleanResult:
    """Return the labels of a RATINGS table under `rules`; the result depends on no order of rows within a task.

    A task goes as a whole: when it has not exactly two responses, when a response has fewer than two helpfulness
    ratings or an attribute nobody rated, or when kept helpfulness ratings of a response differ by more than
    `rules.max_spread`. Raises DataError as `read_ratings_table` does.
    """
    rated = read_ratings_table(ratings)
    stages = cleaning_stages(rated.grid, rules=rules)
    task_reasons = _with_gold(stages.task_reasons, rated, ratings)
    reasons = _rating_reasons(rated, stages, task_reasons)
    decisions = _decisions(ratings, reasons)
    examples = _examples(rated, stages)
    return CleanResult(
        examples=examples,
        disagreements=_disagreements(rated, stages),
        decisions=decisions,
        rated=rated,
        stages=stages,
        tasks_in=len(task_reasons),
        tasks_out=task_reasons.count(None),
        ratings_in=len(reasons),
        ratings_kept=reasons.count(None),
        dropped=_counted(task_reasons),
        ratings_left_out=_counted(reasons),
    )


def _counted(reasons: tuple[str | None, ...]) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in reasons if reason is not None).items()))


def cleaning_stages(grid: RatingGrid, *, rules: CleanSettings) -> Stages:
    """Return which ratings count at each stage under `rules`."""
    selected = select_ratings(grid, keep=rules.keep, select_on=rules.select_on)
    reasons = _task_reasons(grid, selected, max_spread=rules.max_spread)
    is_kept = np.array([reason is None for reason in reasons], dtype=np.bool_)
    return Stages(
        first_three=grid.rank < FIRST_RATINGS,
        all=np.ones(grid.response.size, dtype=np.bool_),
        selected=selected,
        final=selected & is_kept[grid.task[grid.response]],
        task_reasons=reasons,
    )


def _task_reasons(grid: RatingGrid, selected: BoolArray, *, max_spread: int) -> tuple[str | None, ...]:
    counts = [level_counts(grid, used=selected, attribute=index) for index in range(len(ATTRIBUTES))]
    responses = np.bincount(grid.task, minlength=grid.num_tasks)
    faults = [
        (NOT_TWO_RESPONSES, responses != RESPONSES_PER_TASK),
        (TOO_FEW_RATINGS, _any_response(grid, counts[_HELPFULNESS].sum(axis=1) < FEWEST_RATINGS)),
        (UNRATED_ATTRIBUTE, _any_response(grid, np.min([each.sum(axis=1) for each in counts], axis=0) == 0)),
        (SPREAD, _any_response(grid, _spreads(counts[_HELPFULNESS]) > max_spread)),
    ]
    codes = np.select([where for _, where in faults], range(len(faults)), default=len(faults))
    names: list[str | None] = [*(name for name, _ in faults), None]
    return tuple(names[code] for code in codes.tolist())


def _any_response(grid: RatingGrid, is_faulty: BoolArray) -> BoolArray:
    return np.bincount(grid.task, weights=is_faulty, minlength=grid.num_tasks) > 0


def _spreads(counts: IntArray) -> IntArray:
    is_used = counts > 0
    lowest = is_used.argmax(axis=1)
    highest = NUM_LEVELS - 1 - is_used[:, ::-1].argmax(axis=1)
    return np.asarray(np.where(is_used.any(axis=1), highest - lowest, 0), dtype=np.int64)


def _with_gold(
    task_reasons: tuple[str | None, ...], rated: RatedTable, ratings: pl.DataFrame
) -> tuple[str | None, ...]:
    counts = pl.Series(rated.reasons, dtype=pl.String) != GOLD
    has_ratings = set(ratings.filter(counts.fill_null(value=True))["task_id"].to_list())
    tasks = rated.responses["task_id"].unique(maintain_order=True).to_list()
    return tuple(reason if task in has_ratings else GOLD for task, reason in zip(tasks, task_reasons, strict=True))


def _rating_reasons(rated: RatedTable, stages: Stages, task_reasons: tuple[str | None, ...]) -> tuple[str | None, ...]:
    reasons = np.array(rated.reasons, dtype=np.object_)
    of_task = np.array(task_reasons, dtype=np.object_)[rated.grid.task[rated.grid.response]]
    reasons[rated.grid.rows] = np.where(stages.selected, of_task, OUTVOTED)
    return tuple(reasons.tolist())


def _decisions(ratings: pl.DataFrame, reasons: tuple[str | None, ...]) -> pl.DataFrame:
    reason = pl.Series("reason", reasons, dtype=pl.String)
    decided = ratings.select("task_id", "response_id", "annotator").with_columns(reason)
    return decided.with_columns(kept=pl.col("reason").is_null()).select(DECISION_COLUMNS)


def labels(grid: RatingGrid, *, used: BoolArray) -> IntArray:
    """Return the mean of the `used` ratings as the nearest integer, shape (S, A), halves rounded up; 0 where none."""
    columns = []
    for index in range(len(ATTRIBUTES)):
        counts = level_counts(grid, used=used, attribute=index)
        total, number = counts @ np.arange(NUM_LEVELS), counts.sum(axis=1)
        # half is added before rounding down, in whole numbers so that no halves are lost
        columns.append((2 * total + number) // np.maximum(2 * number, 1))
    return np.stack(columns, axis=1)


def _examples(rated: RatedTable, stages: Stages) -> pl.DataFrame:
    values = labels(rated.grid, used=stages.final)
    frame = rated.responses.with_columns(
        pl.Series(name, values[:, index], dtype=pl.Int64) for index, name in enumerate(ATTRIBUTES)
    )
    is_kept = np.array([reason is None for reason in stages.task_reasons], dtype=np.bool_)
    return frame.filter(pl.Series(is_kept[rated.grid.task])).select(list(EXAMPLES.columns))


def _disagreements(rated: RatedTable, stages: Stages) -> pl.DataFrame:
    grid = rated.grid
    has_enough = np.array([reason in (None, SPREAD) for reason in stages.task_reasons], dtype=np.bool_)
    used = stages.selected & has_enough[grid.task[grid.response]]
    columns = {
        name: pl.Series(np.where(grid.given[used, index], grid.scores[used, index], np.nan)).fill_nan(None)
        for index, name in enumerate(ATTRIBUTES)
    }
    lists = (
        pl.DataFrame({"number": grid.response[used], "rank": grid.rank[used], **columns})
        .sort("number", "rank")
        .group_by("number", maintain_order=True)
        .agg(pl.col(name).drop_nulls() for name in ATTRIBUTES)
    )
    texts = rated.responses.with_row_index("number").with_columns(pl.col("number").cast(pl.Int64))
    joined = texts.join(lists, on="number", how="inner", maintain_order="left")
    return joined.select(list(DISAGREEMENTS.columns)).cast(dict(DISAGREEMENTS.schema))  # type: ignore[arg-type]
