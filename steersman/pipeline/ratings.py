"""The ratings stage of a run: a modelled crowd rates the responses table."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from steersman.annotation.crowd import simulate_ratings
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError, join_faults
from steersman.pipeline.lineages import inherited
from steersman.pipeline.simulate import CROWD_ANCESTOR
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.records import Message, prompt_to_text
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
    origin = inherited([prompts, responses], role="responses")
    result = {
        "tasks": tasks.height // 2,
        "ratings": ratings.height,
        "annotators": ratings["annotator"].n_unique(),
        "simulated": True,
    }
    return Product(result, merge_ancestors([origin.ancestors, (CROWD_ANCESTOR,)]), simulated=True)


def read_tasks(prompts: Path, responses: Path) -> pl.DataFrame:
    """Return two rows per prompt: task_id, prompt (text form), response_id, response, position, is_finished.

    Raises DataError where a prompt has not exactly two responses or a response has no prompt.
    """
    asked, given = read_table(prompts, table=PROMPTS), read_table(responses, table=RESPONSES)
    texts = {
        row["prompt_id"]: prompt_to_text([Message(turn["role"], turn["content"]) for turn in row["messages"]])
        for row in asked.iter_rows(named=True)
    }
    counts = dict(given.group_by("prompt_id").len().rows())
    faults = [f"prompt {each!r} has {counts.get(each, 0)} responses, not 2" for each in texts if counts.get(each) != 2]
    faults += [f"responses answer prompt {each!r}, which is not there" for each in sorted(set(counts) - set(texts))]
    if faults:
        raise DataError(f"{responses}: {join_faults(faults)}")
    place = {prompt_id: number for number, prompt_id in enumerate(texts)}
    ordered = given.with_columns(place=pl.col("prompt_id").replace_strict(place)).sort("place", maintain_order=True)
    return pl.DataFrame(
        {
            "task_id": ordered["prompt_id"],
            "prompt": [texts[prompt_id] for prompt_id in ordered["prompt_id"]],
            "response_id": ordered["response_id"],
            "response": ordered["response"],
            "position": np.tile([0, 1], len(texts)),
            "is_finished": [_is_finished(text) for text in ordered["sampling"]],
        }
    )


def _is_finished(sampling: str | None) -> bool:
    # responses written by people or imported carry no sampling; they ended by themselves
    return bool(json.loads(sampling).get("is_finished", True)) if sampling else True
