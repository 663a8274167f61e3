"""The ratings stage of a run: a modelled crowd rates the responses table."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from steersman.annotation.crowd import simulate_ratings
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError, join_faults
from steersman.pipeline.origins import tasks_origin
from steersman.pipeline.pairing import RESPONSES_PER_TASK, paired_tasks
from steersman.pipeline.simulate import CROWD_ANCESTOR
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.store.files import read_table, write_table
from steersman.store.lineage import merge_ancestors
from steersman.tables import PROMPTS, RESPONSES

RATINGS_FILE = "ratings.jsonl"


def run(prompts: Path, responses: Path, *, crowd: CrowdSettings, seed: int, out: Path) -> Outcome:
    """Write simulated ratings of every task into the run folder `out`."""
    stage = Stage("ratings", out, crowd, seed, {"prompts": prompts, "responses": responses})
    return run_stage(stage, lambda folder: _make(folder, prompts, responses, crowd=crowd, seed=seed))


def _make(folder: Path, prompts: Path, responses: Path, *, crowd: CrowdSettings, seed: int) -> Product:
    tasks = read_tasks(prompts, responses)
    ratings = simulate_ratings(tasks, crowd=crowd, rng=np.random.default_rng([seed, 4]))
    write_table(folder / RATINGS_FILE, ratings)
    origin = tasks_origin(prompts, responses)
    result = {
        "tasks": tasks.height // RESPONSES_PER_TASK,
        "ratings": ratings.height,
        "annotators": ratings["annotator"].n_unique(),
        "simulated": True,
    }
    return Product(result, merge_ancestors([origin.ancestors, (CROWD_ANCESTOR,)]), simulated=True)


def read_tasks(prompts: Path, responses: Path) -> pl.DataFrame:
    """Return two rows per kept prompt: task_id, prompt (text form), response_id, response, position, is_finished.

    Raises DataError that names every row whose `sampling` is no JSON object, else as `paired_tasks` does.
    """
    asked, given = read_table(prompts, table=PROMPTS), read_table(responses, table=RESPONSES)
    faults = _sampling_faults(given)
    if faults:
        raise DataError(f"{responses}: {join_faults(faults)}")
    try:
        tasks = paired_tasks(asked, given)
    except DataError as error:
        raise DataError(f"{prompts} and {responses}: {error}") from error
    rows = [row for task in tasks for row in task.responses]
    texts = [(task.task_id, task.prompt) for task in tasks for _ in task.responses]
    return pl.DataFrame(
        {
            "task_id": [task_id for task_id, _ in texts],
            "prompt": [prompt for _, prompt in texts],
            "response_id": [row["response_id"] for row in rows],
            "response": [row["response"] for row in rows],
            "position": np.tile(np.arange(RESPONSES_PER_TASK), len(tasks)),
            "is_finished": [_is_finished(row["sampling"]) is True for row in rows],
        }
    )


def _sampling_faults(responses: pl.DataFrame) -> list[str]:
    return [
        f"row {number}: 'sampling' of response {row['response_id']!r} must be a JSON object as text, in which "
        f"'is_finished' is true or false, got {row['sampling'][:40]!r}"
        for number, row in enumerate(responses.iter_rows(named=True), start=1)
        if _is_finished(row["sampling"]) is None
    ]


def _is_finished(sampling: object) -> bool | None:
    """Return whether a response ended by itself, None where `sampling` cannot be read."""
    if not sampling:
        # responses written by people or imported carry no sampling; they ended by themselves
        return True
    try:
        value = json.loads(str(sampling))
    except (ValueError, RecursionError):
        return None
    found = value.get("is_finished", True) if isinstance(value, dict) else None
    return found if isinstance(found, bool) else None
