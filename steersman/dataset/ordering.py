"""Bring texts, which come in the order of a file, into the order of a dataset, with few of them in memory."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from steersman.dataset.grid import IntArray
from steersman.errors import DataError


def ordered_texts(chunks: Iterable[pl.DataFrame], *, rows: IntArray) -> Iterator[pl.DataFrame]:
    """Yield the texts of `rows` (N,), in that order, a part of them at a time: row, prompt, response.

    `chunks` have a column `row` that counts on from each to the next. A text is held back until all those before it
    have come: where tasks were rated one after another, that is hardly any. Raises DataError when rows are missing.
    """
    places = pl.DataFrame({"row": rows, "place": np.arange(rows.size)}).sort("row")
    waiting: list[pl.DataFrame] = []
    given = 0
    for chunk in chunks:
        waiting.append(_found(chunk, places))
        if sum(part.height for part in waiting) == 0:
            continue
        held = pl.concat(waiting).sort("place")
        ready = int(np.searchsorted(held["place"].to_numpy() - np.arange(held.height), given, side="right"))
        waiting = [held[ready:]]
        if ready:
            given += ready
            yield held[:ready].drop("place")
    if given < rows.size:
        raise DataError(f"{rows.size - given} rows of the ratings were not found again; did the file change meanwhile?")


def _found(chunk: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    first = int(chunk["row"][0]) if chunk.height else 0
    last = first + chunk.height - 1
    numbers = places["row"].to_numpy()
    here = places[int(np.searchsorted(numbers, first)) : int(np.searchsorted(numbers, last, side="right"))]
    picked = chunk.with_columns(pl.col("row").cast(pl.Int64))[(here["row"] - first).to_numpy()]
    return picked.with_columns(here["place"])
