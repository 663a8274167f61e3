"""The ratings and examples that `files.py` reads and writes, in frames of a bounded size."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table
from steersman.tables import EXAMPLES

RATINGS_PER_RESPONSE = 4
_CHUNK_ROWS = 50_000


def real_texts() -> pl.DataFrame:
    """Return HelpSteer2's training rows below $STEERSMAN_DATA."""
    folder = os.environ.get("STEERSMAN_DATA")
    if not folder:
        raise DataError("STEERSMAN_DATA is needed, the folder that holds helpsteer2/train.jsonl")
    return read_table(Path(folder) / "helpsteer2" / "train.jsonl", table=EXAMPLES)


def write_parts(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    """Write frames as one Parquet file without holding them all."""
    parts = path.with_suffix(".parts")
    parts.mkdir()
    for number, frame in enumerate(frames):
        frame.write_parquet(parts / f"{number:05d}.parquet")
    pl.scan_parquet(parts / "*.parquet").sink_parquet(path)
    shutil.rmtree(parts)


def example_frames(texts: pl.DataFrame, *, rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """Yield examples, two a prompt, each text made different from all others by a number before it."""
    rng = np.random.default_rng(seed)
    for start in range(0, rows, _CHUNK_ROWS):
        number = pl.int_range(start, min(start + _CHUNK_ROWS, rows), eager=True)
        drawn = rng.integers(0, texts.height, size=len(number))
        prompt = texts["prompt"].gather(drawn[::2].repeat(2)[: len(drawn)])
        texts_of_rows = pl.select(
            prompt=pl.format("Request {}. {}", number // 2, prompt),
            response=pl.format("Answer {}. {}", number, texts["response"].gather(drawn)),
        )
        yield texts_of_rows.with_columns(pl.Series(name, rng.integers(0, 5, size=len(drawn))) for name in ATTRIBUTES)


def rating_frames(texts: pl.DataFrame, *, rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """Yield ratings of examples, four a response, next to each other as a site exports them."""
    rng = np.random.default_rng(seed)
    start = 0
    for examples in example_frames(texts, rows=-(-rows // RATINGS_PER_RESPONSE), seed=seed):
        each = examples.select(pl.all().repeat_by(RATINGS_PER_RESPONSE).explode()).head(rows - start)
        number = pl.int_range(start, start + each.height, eager=True)
        yield each.select(
            pl.format("task-{}", number // (2 * RATINGS_PER_RESPONSE)).alias("task_id"),
            "prompt",
            pl.format("response-{}", number // RATINGS_PER_RESPONSE).alias("response_id"),
            "response",
            position=number // RATINGS_PER_RESPONSE % 2,
            annotator=pl.format("annotator-{}", pl.Series(rng.integers(0, 500, size=each.height))),
            **{name: pl.Series(rng.integers(0, 5, size=each.height)) for name in ATTRIBUTES},
            flags=pl.lit([], dtype=pl.List(pl.String)),
            seconds=pl.Series(rng.uniform(30, 300, size=each.height).round(1)),
            created_at=pl.lit("2026-01-01T00:00:00Z"),
        )
        start += each.height
