"""Put cleaned preferences into the shape HelpSteer2 was released in (its `preference/preference.jsonl.gz`)."""

import polars as pl

from steersman.dataset.preferences import PreferenceResult
from steersman.dataset.splitting import TRAIN, VALIDATION
from steersman.errors import DataError, join_faults

# what the release writes for: neither response is valid
NEITHER_VALID = -100
_SPLITS = {TRAIN: "train", VALIDATION: "val"}
_TEXTS = ("split", "prompt", "response_1", "response_2")
_SIMILAR = pl.List(pl.Struct({"statement": pl.String, "elaboration": pl.String, "strength": pl.Int64}))
_ALL = pl.List(pl.Struct({"strength": pl.Int64, "justification": pl.String}))
RELEASED_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(_TEXTS, pl.String()),
    "preference_strength": pl.Int64(),
    "preference_statement": pl.String(),
    "preference_elaboration": pl.String(),
    "three_most_similar_preferences": _SIMILAR,
    "all_preferences_unprocessed": _ALL,
}


def preference_rows(
    result: PreferenceResult, *, ratings: pl.DataFrame, texts: pl.DataFrame, statements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return one row per task that is left, in order, with the columns and types of RELEASED_SCHEMA.

    `ratings` is the table that was cleaned; `texts` has task_id, split ("train" or "validation"), prompt, response_1
    and response_2 for every task that is left. `statements` has task_id, annotator, statement and elaboration: a
    justification divided in two, as people did for the release; without it both are null. No annotator is named: the
    kept strengths come nearest to the label first, the first of them gives the statement of the whole, and where they
    tie, and among all strengths, annotators come in the order of their ids. Raises DataError for a task that is left
    and has no texts, or several, or another split, and for two statements of one annotator on a task.
    """
    left = result.tasks.filter(pl.col("strength").is_not_null()).select("task_id", label="strength")
    _refuse_texts(left, texts)
    told = _told(result, ratings, left=left, statements=statements)
    kept = told.filter("kept").sort("task_id", (pl.col("strength") - pl.col("label")).abs(), "annotator")
    similar = kept.group_by("task_id", maintain_order=True).agg(
        pl.col("statement").first().alias("preference_statement"),
        pl.col("elaboration").first().alias("preference_elaboration"),
        pl.struct("statement", "elaboration", "strength").alias("three_most_similar_preferences"),
    )
    given = told.with_columns(pl.col("strength").fill_null(NEITHER_VALID)).sort("task_id", "annotator")
    everything = given.group_by("task_id", maintain_order=True).agg(
        pl.struct("strength", "justification").alias("all_preferences_unprocessed")
    )
    rows = left.rename({"label": "preference_strength"}).join(
        texts.select("task_id", *_TEXTS), on="task_id", how="left", maintain_order="left"
    )
    for more in (similar, everything):
        rows = rows.join(more, on="task_id", how="left", maintain_order="left")
    return rows.with_columns(pl.col("split").replace(_SPLITS)).select(
        pl.col(name).cast(kind) for name, kind in RELEASED_SCHEMA.items()
    )


def _told(
    result: PreferenceResult, ratings: pl.DataFrame, *, left: pl.DataFrame, statements: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the ratings of the tasks that are left, with the label of each task, what was kept, and statements."""
    rows = ratings.select("task_id", "annotator", "strength", "justification").with_columns(result.decisions["kept"])
    rows = rows.join(left, on="task_id", how="inner", maintain_order="left")
    if statements is None:
        nothing = pl.lit(None, dtype=pl.String)
        return rows.with_columns(statement=nothing, elaboration=nothing)
    said = statements.select("task_id", "annotator", "statement", "elaboration")
    twice = said.group_by("task_id", "annotator").len().filter(pl.col("len") > 1).sort("task_id", "annotator").rows()
    if twice:
        faults = [f"annotator '{person}' has {number} statements on task '{task}'" for task, person, number in twice]
        raise DataError(f"{join_faults(faults)}. Keep one.")
    return rows.join(said, on=["task_id", "annotator"], how="left", maintain_order="left")


def _refuse_texts(left: pl.DataFrame, texts: pl.DataFrame) -> None:
    counts = left.join(texts.group_by("task_id").len(), on="task_id", how="left", maintain_order="left")
    counts = counts.filter(pl.col("len").fill_null(0) != 1).select("task_id", pl.col("len").fill_null(0))
    faults = [f"task '{task}' has {'no' if number == 0 else number} texts" for task, number in counts.rows()]
    wrong = texts.filter(~pl.col("split").is_in(list(_SPLITS)).fill_null(value=False)).select("task_id", "split").rows()
    faults += [f"task '{task}' is in the split {split!r}, not in one of {', '.join(_SPLITS)}" for task, split in wrong]
    if faults:
        raise DataError(f"{join_faults(faults)}. Give each task that is left its prompt, two responses and its split.")
