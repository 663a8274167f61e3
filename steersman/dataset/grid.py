"""Ratings as arrays: what selection, cleaning and agreement count with.

R ratings, S responses, T tasks, A = 5 attributes. Every fault of a ratings table that no rule can mend is found here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, NUM_LEVELS

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Order = Literal["time", "rows"]

GOLD = "gold"
SURPLUS = "surplus"
UNRATED = "unrated"


@dataclass(frozen=True, slots=True)
class RatingGrid:
    """Ratings sorted by response, then annotator.

    `scores` (R, A) counts only where `given` (R, A); `response` (R,) ascends; `task` (S,) is the task of a response;
    `rank` (R,) is 0 for a response's first rating; `rows` (R,) is the place of a rating in the table it came from.
    """

    scores: IntArray
    given: BoolArray
    response: IntArray
    task: IntArray
    rank: IntArray
    rows: IntArray
    num_tasks: int


@dataclass(frozen=True, slots=True)
class RatedTable:
    """A ratings table read for counting.

    `responses` has one row per response in order of task and position: task (its number), task_id, response_id,
    prompt, response. `reasons` has, for each row of the table, why it does not count, or None. `order` says whether
    ratings were put in sequence by `created_at` or, for want of it, by their place in the table.
    """

    grid: RatingGrid
    responses: pl.DataFrame
    reasons: tuple[str | None, ...]
    order: Order


def read_ratings_table(ratings: pl.DataFrame) -> RatedTable:
    """Return a RATINGS table as arrays; gold, surplus and wholly unrated rows do not count and keep their reason.

    Raises DataError when an annotator rated a response twice, when rows of one task or response differ in text, and as
    `check_times` does.
    """
    rows = ratings.with_row_index("row").with_columns(_reason())
    _refuse_two_texts(rows)
    responses = _responses(rows)
    counted = rows.filter(pl.col("reason").is_null())
    _refuse_second_ratings(counted)
    keys = ["task_id", "response_id"]
    numbered = counted.join(responses.select(*keys, "response_number"), on=keys, how="left", maintain_order="left")
    times, order = _times(numbered)
    numbered = numbered.with_columns(time=pl.Series(times, dtype=pl.Float64))
    rank = pl.struct("time", "annotator") if order == "time" else pl.col("row")
    numbered = numbered.with_columns(rank=rank.rank("ordinal").over("response_number") - 1)
    grid = _grid(numbered.sort("response_number", "annotator"), responses=responses)
    return RatedTable(grid, responses.drop("response_number"), tuple(rows["reason"].to_list()), order)


def _reason() -> pl.Expr:
    return (
        pl.when(pl.col("gold").fill_null(value=False))
        .then(pl.lit(GOLD))
        .when(pl.col("surplus").fill_null(value=False))
        .then(pl.lit(SURPLUS))
        .when(pl.all_horizontal(pl.col(name).is_null() for name in ATTRIBUTES))
        .then(pl.lit(UNRATED))
        .alias("reason")
    )


def _responses(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.group_by("task_id", "response_id", maintain_order=True)
        .agg(
            pl.col("prompt").first(),
            pl.col("response").first(),
            # annotators may see the two responses in different order; the mean is the same for every order of rows
            pl.col("position").mean(),
            pl.col("row").min(),
        )
        .with_columns(first_row=pl.col("row").min().over("task_id"))
        .sort("first_row", "position", "response_id")
        .with_columns(task=pl.col("first_row").rank("dense").cast(pl.Int64) - 1)
        .with_row_index("response_number")
        .select("response_number", "task", "task_id", "response_id", "prompt", "response")
    )


def _refuse_two_texts(rows: pl.DataFrame) -> None:
    prompts = rows.group_by("task_id", maintain_order=True).agg(pl.col("prompt").n_unique())
    responses = rows.group_by("task_id", "response_id", maintain_order=True).agg(pl.col("response").n_unique())
    faults = [f"task '{task}' has {count} different prompts" for task, count in prompts.rows() if count > 1]
    faults += [
        f"response '{response}' of task '{task}' has {count} different texts"
        for task, response, count in responses.rows()
        if count > 1
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Give each task one prompt and each of its responses one text.")


def _refuse_second_ratings(counted: pl.DataFrame) -> None:
    keys = ["task_id", "response_id", "annotator"]
    twice = counted.group_by(keys, maintain_order=True).len().filter(pl.col("len") > 1)
    faults = [
        f"annotator '{annotator}' rated response '{response}' of task '{task}' {count} times"
        for task, response, annotator, count in twice.rows()
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Keep one rating, or mark the others as surplus.")


def check_times(ratings: pl.DataFrame) -> None:
    """Raise DataError that names every row (counted from 1) whose `created_at` would order ratings and is no time.

    Where a rating that counts has none, the order of the rows is used instead and nothing is checked.
    """
    _times(ratings.with_row_index("row").with_columns(_reason()).filter(pl.col("reason").is_null()))


def _times(counted: pl.DataFrame) -> tuple[list[float | None], Order]:
    if counted["created_at"].null_count():
        return [None] * counted.height, "rows"
    times = [_timestamp(text) for text in counted["created_at"]]
    faults = [
        f"row {row + 1}: created_at must be ISO 8601, for example 2026-01-31T12:00:00Z, got {text[:40]!r}"
        for row, text, time in zip(counted["row"], counted["created_at"], times, strict=True)
        if time is None
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Mend these times, or leave the column out.")
    return times, "time"


def _timestamp(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _grid(rows: pl.DataFrame, *, responses: pl.DataFrame) -> RatingGrid:
    scores = rows.select(ATTRIBUTES)
    return RatingGrid(
        scores=scores.fill_null(0).to_numpy().astype(np.int64).reshape(-1, len(ATTRIBUTES)),
        given=scores.select(pl.all().is_not_null()).to_numpy().astype(np.bool_).reshape(-1, len(ATTRIBUTES)),
        response=rows["response_number"].to_numpy().astype(np.int64),
        task=responses["task"].to_numpy().astype(np.int64),
        rank=rows["rank"].to_numpy().astype(np.int64),
        rows=rows["row"].to_numpy().astype(np.int64),
        num_tasks=responses["task"].n_unique(),
    )


def grid_from_array(scores: IntArray, *, raters: IntArray) -> RatingGrid:
    """Return a grid of tasks with two responses, scores (T, 2, M, A) of which the first `raters` (T,) of M count."""
    tasks, per_task, most, attributes = scores.shape
    counts = np.broadcast_to(np.arange(most) < raters[:, None, None], (tasks, per_task, most))
    response = np.repeat(np.arange(tasks * per_task), most).reshape(counts.shape)
    chosen = scores[counts]
    return RatingGrid(
        scores=chosen,
        given=np.ones((chosen.shape[0], attributes), dtype=np.bool_),
        response=response[counts],
        task=np.repeat(np.arange(tasks), per_task),
        rank=np.broadcast_to(np.arange(most), counts.shape)[counts],
        rows=np.arange(chosen.shape[0]),
        num_tasks=tasks,
    )


def level_counts(grid: RatingGrid, *, used: BoolArray, attribute: int) -> IntArray:
    """Return how many of the `used` (R,) ratings of each response fell on each level of one attribute, (S, 5)."""
    counted = used & grid.given[:, attribute]
    cells = grid.response[counted] * NUM_LEVELS + grid.scores[counted, attribute]
    return np.bincount(cells, minlength=grid.task.size * NUM_LEVELS).reshape(-1, NUM_LEVELS).astype(np.int64)
