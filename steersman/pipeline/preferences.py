"""Clean preference ratings of the tasks of a dataset, and write them beside it in HelpSteer2-Preference's shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steersman.config.preferences import PreferenceRules
from steersman.dataset.cleaning import CleanResult
from steersman.dataset.preference_rows import preference_rows
from steersman.dataset.preferences import PreferenceResult, clean_preferences
from steersman.errors import DataError, join_faults
from steersman.store.files import read_table, write_table
from steersman.tables import PREFERENCE_RATINGS

PREFERENCES_FILE = "preference/preference.jsonl.gz"
PREFERENCE_DECISIONS_FILE = "preference/decisions.jsonl"
NOT_IN_DATASET = "not_in_dataset"


@dataclass(frozen=True, slots=True)
class CleanedPreferences:
    """Preferences of the tasks that are left in the dataset; `elsewhere` are those of other tasks, left out."""

    ratings: pl.DataFrame
    result: PreferenceResult
    elsewhere: pl.DataFrame

    @property
    def counts(self) -> dict[str, object]:
        """What `steersman clean --json` prints of them; tasks in = tasks out + dropped, and the same for ratings."""
        result, tasks, ratings = self.result, self.elsewhere["task_id"].n_unique(), self.elsewhere.height
        return {
            "tasks_in": result.tasks_in + tasks,
            "tasks_out": result.tasks_out,
            "dropped": {**result.dropped, **({NOT_IN_DATASET: tasks} if tasks else {})},
            "ratings_in": result.ratings_in + ratings,
            "ratings_kept": result.ratings_kept,
            "ratings_left_out": {**result.ratings_left_out, **({NOT_IN_DATASET: ratings} if ratings else {})},
        }

    @property
    def decisions(self) -> pl.DataFrame:
        """What became of every rating: task_id, annotator, kept, reason; those of tasks elsewhere come last."""
        others = self.elsewhere.select("task_id", "annotator", kept=pl.lit(value=False), reason=pl.lit(NOT_IN_DATASET))
        return pl.concat([self.result.decisions.with_columns(pl.col("reason").cast(pl.String)), others])


def open_preferences(path: Path, *, result: CleanResult, rules: PreferenceRules) -> CleanedPreferences:
    """Return the cleaned preferences in `path` of tasks that `result` left.

    Raises DataError for a file that cannot be read, and when it has not one task in common with the dataset.
    """
    given = read_table(path, table=PREFERENCE_RATINGS)
    left = result.rated.responses.join(result.labels.select("row"), on="row", how="semi")["task_id"].unique()
    is_left = given["task_id"].is_in(left.implode())
    ratings = _turned(given.filter(is_left), responses=result.rated.responses, path=path)
    if ratings.is_empty():
        raise DataError(
            f"{path}: no task_id is one of the dataset's; give preferences of the same tasks as the ratings"
        )
    try:
        cleaned = clean_preferences(ratings, rules=rules)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return CleanedPreferences(ratings, cleaned, given.filter(~is_left))


def _turned(ratings: pl.DataFrame, *, responses: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return preferences whose strengths are above 0 where the dataset's second response of the task is better.

    Annotators see the responses in either order, and so does a dataset; a row may name the first one.
    """
    pairs = responses.group_by("task_id", maintain_order=True).agg(
        pl.col("response_id").first().alias("one"), pl.col("response_id").last().alias("other")
    )
    found = ratings.join(pairs, on="task_id", how="left", maintain_order="left")
    named = pl.col("first_response")
    lost = found.filter((named != pl.col("one")) & (named != pl.col("other"))).select("task_id", "first_response")
    if lost.height:
        faults = [f"task {task!r} has no response {name!r}" for task, name in lost.unique(maintain_order=True).rows()]
        raise DataError(f"{path}: {join_faults(faults)}")
    is_turned = (named == pl.col("other")).fill_null(value=False)
    turned = pl.when(is_turned).then(-pl.col("strength")).otherwise(pl.col("strength"))
    return found.with_columns(turned.alias("strength")).select(ratings.columns)


def write_preferences(folder: Path, preferences: CleanedPreferences, *, parts: Sequence[pl.DataFrame]) -> None:
    """Write what is left of the preferences; `parts` hold task_id, split, prompt and response, response 1 first."""
    texts = (
        pl.concat(parts)
        .group_by("task_id", maintain_order=True)
        .agg(
            pl.col("split", "prompt").first(),
            pl.col("response").first().alias("response_1"),
            pl.col("response").last().alias("response_2"),
        )
    )
    rows = preference_rows(preferences.result, ratings=preferences.ratings, texts=texts)
    write_table(folder / PREFERENCES_FILE, rows)
    write_table(folder / PREFERENCE_DECISIONS_FILE, preferences.decisions)
