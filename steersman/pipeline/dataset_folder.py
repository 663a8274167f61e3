"""Write a cleaned dataset into a folder in HelpSteer2's shape, its texts passing through a part at a time."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from steersman.config.cleaning import CleanSettings
from steersman.dataset.cleaning import CleanResult
from steersman.dataset.ordering import ordered_texts
from steersman.dataset.splitting import TRAIN, VALIDATION, PromptSplit, split_prompts
from steersman.dataset.statistics import measure
from steersman.pipeline.preferences import CleanedPreferences, write_preferences
from steersman.pipeline.ratings_file import RatingsFile
from steersman.records import ATTRIBUTES
from steersman.store.files import write_table
from steersman.store.table_writer import TableWriter, open_table
from steersman.tables import DISAGREEMENTS, EXAMPLES

DISAGREEMENTS_FILE = "disagreements/disagreements.jsonl.gz"
DECISIONS_FILE = "decisions.jsonl"
TASKS_FILE = "tasks.jsonl"
ANNOTATORS_FILE = "annotators.jsonl"
_LABEL = "label_"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file of ratings, what cleaning made of it, and the preferences of the same tasks where there are any."""

    given: RatingsFile
    result: CleanResult
    preferences: CleanedPreferences | None = None


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """What a folder holds: `measured` rows (steersman.dataset.statistics.measure) and how the prompts were split."""

    measured: pl.DataFrame
    split: PromptSplit


def write_tables(folder: Path, cleaned: Cleaned, *, rules: CleanSettings, seed: int) -> WrittenDataset:
    """Write examples by split, selected ratings, preferences, and what became of each rating, task and annotator."""
    result, given, preferences = cleaned.result, cleaned.given, cleaned.preferences
    split = split_prompts(
        _prompts(result, given),
        validation_share=rules.validation_share,
        threshold=rules.near_duplicates,
        rng=np.random.default_rng(seed),
    )
    rows = _rows(result, split)
    compared = []
    with ExitStack() as files:
        writers = {
            name: files.enter_context(open_table(folder / f"{name}.jsonl.gz"))
            for name in (TRAIN, VALIDATION)
            if (rows["split"] == name).any()
        }
        # by split, so that sums of their numbers do not depend on where the parts begin
        measured: dict[str, list[pl.DataFrame]] = {name: [] for name in writers}
        disagreements = files.enter_context(open_table(folder / DISAGREEMENTS_FILE))
        for part in _with_texts(rows, given):
            disagreements.write(part.select(list(DISAGREEMENTS.columns)))
            for name, examples in _write_examples(part, writers):
                measured[name].append(measure(examples))
            compared += [] if preferences is None else [_compared(part, preferences)]
    if preferences is not None:
        write_preferences(folder, preferences, parts=compared)
    return WrittenDataset(pl.concat([pl.concat(parts) for parts in measured.values()]), split)


def write_fates(folder: Path, result: CleanResult) -> None:
    """Write what became of every rating, task and annotator."""
    write_table(folder / DECISIONS_FILE, result.decisions.with_columns(pl.col("reason").cast(pl.String)))
    write_table(folder / TASKS_FILE, result.tasks.with_columns(pl.col("reason").cast(pl.String)))
    if result.rated.is_named:
        write_table(folder / ANNOTATORS_FILE, result.trust.figures)


def _prompts(result: CleanResult, given: RatingsFile) -> pl.Series:
    """Return the prompt of each task that is left, in order."""
    first_rows = result.labels["row"].gather_every(2).to_numpy()
    parts = (part["prompt"] for part in ordered_texts(given.texts(), rows=first_rows))
    return pl.concat([pl.Series("prompt", [], dtype=pl.String), *parts])


def _rows(result: CleanResult, split: PromptSplit) -> pl.DataFrame:
    """Return `selected` with task_id, labels (as label_helpfulness ...) and split; null where a task was dropped."""
    side = np.where(np.repeat(split.is_validation, 2), VALIDATION, TRAIN)
    labels = result.labels.rename({name: _LABEL + name for name in ATTRIBUTES}).with_columns(
        pl.Series("split", side.tolist(), dtype=pl.String)
    )
    tasks = result.rated.responses.select("row", "task_id")
    named = result.selected.join(tasks, on="row", how="left", maintain_order="left")
    return named.join(labels, on="row", how="left", maintain_order="left")


def _with_texts(rows: pl.DataFrame, given: RatingsFile) -> Iterator[pl.DataFrame]:
    start = 0
    for texts in ordered_texts(given.texts(), rows=rows["row"].to_numpy()):
        yield rows[start : start + texts.height].with_columns(texts["prompt"], texts["response"])
        start += texts.height


def _write_examples(part: pl.DataFrame, writers: Mapping[str, TableWriter]) -> Iterator[tuple[str, pl.DataFrame]]:
    labels = [pl.col(_LABEL + name).alias(name) for name in ATTRIBUTES]
    for name, writer in writers.items():
        examples = part.filter(pl.col("split") == name).select("prompt", "response", *labels)
        writer.write(examples.select(list(EXAMPLES.columns)))
        yield name, examples


def _compared(part: pl.DataFrame, preferences: CleanedPreferences) -> pl.DataFrame:
    """Return the texts of tasks that have preferences."""
    texts = part.filter(pl.col("split").is_not_null()).select("task_id", "split", "prompt", "response")
    return texts.join(preferences.ratings.select("task_id"), on="task_id", how="semi", maintain_order="left")
