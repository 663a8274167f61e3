"""Read HelpSteer2's disagreements shape, where each attribute is a list of scores, as a ratings table."""

import polars as pl

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES
from steersman.tables import RATINGS

RESPONSES_PER_TASK = 2


def is_already_selected(disagreements: pl.DataFrame, *, keep: int) -> bool:
    """Return whether no response has more than `keep` ratings, as after selection: the first ones are then unknown."""
    longest = disagreements.select(pl.max_horizontal(pl.col(name).list.len() for name in ATTRIBUTES)).to_series()
    return bool((longest <= keep).all())


def ratings_from_disagreements(disagreements: pl.DataFrame, *, keep: int) -> pl.DataFrame:
    """Return a DISAGREEMENTS table as RATINGS; the place of a score in its list stands in for the annotator.

    Neighbouring rows with one prompt are the responses of one task, two by two. A list shorter than the others of its
    row lacks its last places. Raises DataError where lists of one row differ in length and one has more than `keep`:
    which scores belong to one annotator cannot be known then, and selection needs it.
    """
    rows = _with_tasks(disagreements)
    _refuse_ragged(rows, keep=keep)
    most = int(rows.select(pl.max_horizontal(pl.col(name).list.len().max() for name in ATTRIBUTES)).item())
    places = [
        rows.select(
            "row",
            "task_id",
            "prompt",
            "response_id",
            "response",
            "position",
            pl.lit(place, dtype=pl.Int64).alias("place"),
            pl.lit(f"place-{place:04d}").alias("annotator"),
            *(pl.col(name).list.get(place, null_on_oob=True) for name in ATTRIBUTES),
        ).filter(pl.any_horizontal(pl.col(name).is_not_null() for name in ATTRIBUTES))
        for place in range(most)
    ]
    given = pl.concat(places).sort("row", "place")
    absent = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in RATINGS.schema.items() if name not in given.columns
    ]
    return given.with_columns(absent).select(list(RATINGS.columns))


def _with_tasks(disagreements: pl.DataFrame) -> pl.DataFrame:
    rows = disagreements.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    rows = rows.with_columns(block=(pl.col("prompt") != pl.col("prompt").shift()).fill_null(value=True).cum_sum())
    rows = rows.with_columns(place_in_block=pl.col("row") - pl.col("row").min().over("block"))
    position = pl.col("place_in_block") % RESPONSES_PER_TASK
    return rows.with_columns(
        position=position,
        task_id=pl.lit("row-") + (pl.col("row") - position).cast(pl.String),
        response_id=pl.lit("row-") + pl.col("row").cast(pl.String),
    )


def _refuse_ragged(rows: pl.DataFrame, *, keep: int) -> None:
    lengths = [pl.col(name).list.len() for name in ATTRIBUTES]
    longest, shortest = pl.max_horizontal(lengths), pl.min_horizontal(lengths)
    ragged = rows.filter((longest != shortest) & (longest > keep))["row"].to_list()
    faults = [f"row {row + 1}: lists of different length" for row in ragged]
    if faults:
        raise DataError(f"{join_faults(faults)}. Give every attribute of a row one score per annotator, in one order.")
