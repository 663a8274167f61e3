"""`steersman score`: rewards for any file of prompts and responses."""

import time
from pathlib import Path

import polars as pl

from steersman.config.scoring import ScoreSettings
from steersman.errors import ConfigError, DataError, PluginError, RunError
from steersman.pipeline.scorers import OpenScorer, limited, open_ray_scorer, open_scorer
from steersman.protocols import Progress, Scored, no_progress
from steersman.store.files import first_row, read_table, write_table
from steersman.tables import PROMPTED_RESPONSES, Column, Table

_ROW, _RESPONSE_ID, _REWARD, _PREFERRED = "row", "response_id", "reward", "preferred"
_OTHER_FORMATS = (".csv", ".tsv", ".xls", ".xlsx")


def run(
    model: str, data: Path, *, out: Path, settings: ScoreSettings | None = None, progress: Progress = no_progress
) -> dict[str, object]:
    """Write a scores table with one row per row of `data`, in order, and return `{"rows", "seconds", "tokens"}`.

    Rows of one prompt that follow each other share its tokens. A `response_id` column is carried over. Of a model that
    compares two responses, rows 2k and 2k+1 are a pair, and `preferred` is how likely each is the better one. Raises
    DataError, and writes nothing, when a conversation is longer than the model's context; RunError when `out` is a
    folder or `data` itself; ConfigError when probabilities are asked of a model without levels.
    """
    settings = settings or ScoreSettings.model_validate({})
    _check_out(out, data=data)
    began = time.monotonic()
    rows = read_table(data, table=_table(data))
    opened = _opened(model, settings=settings)
    try:
        with progress("score", rows.height, "row") as advance:
            scored = limited(opened).score(rows["prompt"].to_list(), rows["response"].to_list(), advance=advance)
    except DataError as error:
        # the scorer knows rows, not the file they are from
        raise DataError(f"{data}: {error}") from error
    write_table(out, _scores(rows, scored, opened=opened, settings=settings))
    return {"rows": rows.height, "seconds": round(time.monotonic() - began, 3), "tokens": scored.num_tokens}


def _check_out(out: Path, *, data: Path) -> None:
    if out.is_dir():
        raise RunError(f"{out}: is a folder; --out names the scores file to write, for example scores.jsonl")
    if out.suffix.lower() in _OTHER_FORMATS:
        raise RunError(f"{out}: scores are JSON lines or Parquet; choose a name such as {out.stem}.jsonl for --out")
    if out.exists() and data.exists() and out.samefile(data):
        raise RunError(f"{out}: is the file to be scored, which the scores would replace; choose another --out")


def _table(data: Path) -> Table:
    # ids are texts or whole numbers: the first says which
    is_number = isinstance(first_row(data).get(_RESPONSE_ID), int)
    ids = Column("integer" if is_number else "text", required=False, nullable=True)
    return Table(PROMPTED_RESPONSES.name, {**PROMPTED_RESPONSES.columns, _RESPONSE_ID: ids})


def _opened(model: str, *, settings: ScoreSettings) -> OpenScorer:
    if not settings.ray:
        opened = open_scorer(model, precision=settings.precision)
    else:
        opened = open_ray_scorer(model, precision=settings.precision, num_actors=settings.actors)
    if settings.probabilities and opened.spec.kind not in ("ordinal", "categorical"):
        raise ConfigError(
            f"{model}: its head is {opened.spec.kind}, which gives no probabilities of levels; leave --probabilities"
            " out, or train with reward.head ordinal or categorical"
        )
    taken = {_ROW, _RESPONSE_ID, _PREFERRED} & set(opened.names)
    if taken:
        raise PluginError(f"{model}: its output {min(taken)!r} is called like another column of a scores file")
    return opened


def _scores(rows: pl.DataFrame, scored: Scored, *, opened: OpenScorer, settings: ScoreSettings) -> pl.DataFrame:
    columns: dict[str, object] = {_ROW: range(rows.height)}
    if rows[_RESPONSE_ID].null_count() < rows.height:
        columns[_RESPONSE_ID] = rows[_RESPONSE_ID]
    # an output called reward is the reward
    columns |= {name: scored.outputs[:, index].astype(float) for index, name in enumerate(opened.names)}
    if settings.probabilities and scored.levels is not None:
        columns |= {
            f"{name}={level}": scored.levels[:, index, level].astype(float)
            for index, name in enumerate(opened.names)
            for level in range(scored.levels.shape[2])
        }
    if scored.preferences is not None:
        columns[_PREFERRED] = scored.preferences.astype(float)
    return pl.DataFrame({**columns, _REWARD: scored.rewards.astype(float)})
