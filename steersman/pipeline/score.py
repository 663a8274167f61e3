"""`steersman score`: rewards for any file of prompts and responses."""

import time
from pathlib import Path

import polars as pl

from steersman.backends.limits import ConversationTooLongError
from steersman.errors import DataError, RunError
from steersman.pipeline.scorers import limited, open_scorer
from steersman.protocols import Progress, no_progress
from steersman.store.files import read_rows, read_table, write_table
from steersman.tables import PROMPTED_RESPONSES


def run(model: str, data: Path, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Write a scores table with one row per row of `data`, in order, and return `{"rows", "seconds", "tokens"}`.

    Rows of one prompt that follow each other share its tokens. A `response_id` column is carried over. Raises
    DataError, and writes nothing, when a conversation is longer than the model's context; RunError when `out` is a
    folder or `data` itself.
    """
    if out.is_dir():
        raise RunError(f"{out}: is a folder; --out names the scores file to write, for example scores.jsonl")
    if out.exists() and data.exists() and out.samefile(data):
        raise RunError(f"{out}: is the file to be scored, which the scores would replace; choose another --out")
    began = time.monotonic()
    rows = read_table(data, table=PROMPTED_RESPONSES)
    opened = open_scorer(model)
    try:
        with progress("score", rows.height, "row") as advance:
            scored = limited(opened).score(rows["prompt"].to_list(), rows["response"].to_list(), advance=advance)
    except ConversationTooLongError as error:
        raise DataError(f"{data}: {error}") from error
    columns: dict[str, object] = {"row": range(rows.height)}
    ids = _response_ids(data)
    if ids is not None:
        columns["response_id"] = ids
    columns |= {name: scored.outputs[:, index].astype(float) for index, name in enumerate(opened.names)}
    columns["reward"] = scored.rewards.astype(float)
    write_table(out, pl.DataFrame(columns))
    return {"rows": rows.height, "seconds": round(time.monotonic() - began, 3), "tokens": scored.num_tokens}


def _response_ids(data: Path) -> list[object] | None:
    if data.suffix == ".parquet":
        schema = pl.read_parquet_schema(data)
        return (
            pl.read_parquet(data, columns=["response_id"])["response_id"].to_list() if "response_id" in schema else None
        )
    ids = [row.get("response_id") for row in read_rows(data)]
    return ids if any(each is not None for each in ids) else None
