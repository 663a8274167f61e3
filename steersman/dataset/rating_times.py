"""Tell which rows of a ratings table count, and in which order they were made."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import polars as pl

from steersman.dataset.grid import BoolArray, IntArray
from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES

Order = Literal["time", "rows"]

GOLD = "gold"
SURPLUS = "surplus"
UNRATED = "unrated"


def reason_not_counted() -> pl.Expr:
    """Return the expression of why a row does not count: gold, surplus or unrated; null where it counts."""
    return (
        pl.when(pl.col(GOLD).fill_null(value=False))
        .then(pl.lit(GOLD))
        .when(pl.col(SURPLUS).fill_null(value=False))
        .then(pl.lit(SURPLUS))
        .when(pl.all_horizontal(pl.col(name).is_null() for name in ATTRIBUTES))
        .then(pl.lit(UNRATED))
        .alias("reason")
    )


def check_times(ratings: pl.DataFrame) -> None:
    """Raise DataError that names every row (counted from 1) whose `created_at` would order ratings and is no time.

    Where a rating that counts has none, the order of the rows is used instead and nothing is checked.
    """
    times_of_rows(ratings, counts=ratings.select(reason_not_counted()).to_series().is_null().to_numpy())


def times_of_rows(rows: pl.DataFrame, *, counts: BoolArray) -> tuple[IntArray, Order]:
    """Return when each row was made (rows,), in microseconds, or its place where a row that counts has no time.

    Raises DataError as `check_times` does.
    """
    texts = rows["created_at"]
    if not counts.any() or texts.filter(pl.Series(counts)).null_count():
        return np.arange(rows.height), "rows"
    times = texts.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).cast(pl.Int64)
    slow = np.flatnonzero((times.is_null() & texts.is_not_null()).to_numpy())
    found = times.fill_null(0).to_numpy().copy()
    faults = []
    for row, text in zip(slow.tolist(), texts.gather(slow).to_list(), strict=True):
        time = _microseconds(text)
        if time is not None:
            found[row] = time
        elif counts[row]:
            faults.append(
                f"row {row + 1}: created_at must be ISO 8601, for example 2026-01-31T12:00:00Z, got {text[:40]!r}"
            )
    if faults:
        raise DataError(f"{join_faults(faults)}. Mend these times, or leave the column out.")
    return found, "time"


def _microseconds(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
