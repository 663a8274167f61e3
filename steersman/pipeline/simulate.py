"""`steersman annotate simulate`: a modelled crowd rates responses into a file of ratings."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import numpy as np
import polars as pl

from steersman.annotation.crowd import simulate_ratings
from steersman.config.loading import dump_settings
from steersman.config.sections import CrowdSettings
from steersman.pipeline.ratings_place import STAGE, check_place
from steersman.store.files import jsonl_bytes, write_table
from steersman.store.lineage import (
    Ancestor,
    Lineage,
    merge_ancestors,
    software_versions,
    source_commit,
    write_lineage,
)

# the input that only a lineage of this verb records
TASKS = "tasks"
# `work` is the name by which the licence ledger knows it
CROWD_ANCESTOR = Ancestor(
    work="steersman-simulated-crowd", kind="annotators", role="ratings", licence=None, simulated=True
)


def run(
    tasks: pl.DataFrame, *, crowd: CrowdSettings, seed: int, out: Path, ancestors: tuple[Ancestor, ...] = ()
) -> dict[str, object]:
    """Write simulated ratings of `tasks` to the file `out`, its lineage beside it, and return what was made.

    The ratings are the same for the same tasks, settings and seed. Raises RunError when `out` is a folder, lies beside
    the lineage of something else or is a file that this verb did not write, DataError as `simulate_ratings` does.
    """
    started = monotonic()
    others = check_place(out, is_own=_is_own)
    ratings = simulate_ratings(tasks, crowd=crowd, rng=np.random.default_rng(seed))
    lineage = Lineage(
        name=out.stem,
        stage=STAGE,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(monotonic() - started, 3),
        seed=seed,
        config_sha256=hashlib.sha256(dump_settings(crowd).encode()).hexdigest(),
        inputs={TASKS: hashlib.sha256(jsonl_bytes(tasks.to_dicts())).hexdigest()},
        ancestors=merge_ancestors([others.ancestors, ancestors, (CROWD_ANCESTOR,)]),
        simulated=True,
        versions=software_versions(),
        commit=source_commit(),
    )
    # the lineage goes first: ratings must never lie there without the word that they are simulated
    write_lineage(out.parent, lineage)
    write_table(out, ratings)
    return _summary(ratings)


def _is_own(lineage: Lineage) -> bool:
    return lineage.stage == STAGE and lineage.simulated and TASKS in lineage.inputs


def _summary(ratings: pl.DataFrame) -> dict[str, object]:
    raters = ratings.group_by("task_id").agg(pl.col("annotator").n_unique())["annotator"]
    return {
        "tasks": ratings["task_id"].n_unique(),
        "rows": ratings.select("task_id", "response_id").n_unique(),
        "ratings": ratings.height,
        "annotators": ratings["annotator"].n_unique(),
        "tasks_with_five": int((raters > 3).sum()),
        "simulated": True,
    }
