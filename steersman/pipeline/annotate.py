"""Make an annotation database from prompts and responses, and ratings from an annotation database."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from steersman.annotation.escalation import FIRST_ANNOTATORS, MOST_ANNOTATORS
from steersman.errors import ConfigError, DataError
from steersman.pipeline.lineages import Inheritance
from steersman.pipeline.origins import tasks_origin
from steersman.pipeline.pairing import Task, paired_tasks
from steersman.pipeline.ratings_place import STAGE, check_place
from steersman.store.database.connection import check_is_free, create_database, open_database, reading, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks, read_ratings
from steersman.store.database.origin import Origin, add_origin, read_origin
from steersman.store.files import jsonl_bytes, read_table, renamed_when_whole, sha256_file, write_table
from steersman.store.lineage import (
    Lineage,
    merge_ancestors,
    software_versions,
    source_commit,
    write_lineage,
)
from steersman.tables import PROMPTS, RATINGS, RESPONSES, table_from_rows

# the input that only a lineage of exported ratings records
ANSWERS = "answers"
# With fewer people a disputed task never gets all its ratings.
ENOUGH_ANNOTATORS = MOST_ANNOTATORS


def init(prompts: Path, responses: Path, *, out: Path, annotators: int) -> dict[str, object]:
    """Make the database `out`: one task per prompt, and annotators with tokens that are shown only here.

    Raises ConfigError for no annotators, DataError for faulty tables, RunError when `out` exists.
    """
    if annotators < 1:
        raise ConfigError(f"annotators must be at least 1, got {annotators}; a task needs up to {MOST_ANNOTATORS}")
    prompts_table = read_table(prompts, table=PROMPTS)
    try:
        made = tasks(prompts_table, read_table(responses, table=RESPONSES))
    except DataError as error:
        raise DataError(f"{prompts} and {responses}: {error}") from error
    names = [f"annotator-{number:0{len(str(annotators))}d}" for number in range(1, annotators + 1)]
    tokens = _fill(out, made, origin=_origin(prompts, responses), names=names)
    notes = [f"a task may need {MOST_ANNOTATORS} annotators; some will stay unfinished with {annotators}"]
    return {
        "database": str(out),
        "tasks": len(made),
        "prompts_rejected": prompts_table.height - len(made),
        "annotators": [{"annotator": name, "token": token} for name, token in zip(names, tokens, strict=True)],
        "notes": notes if annotators < MOST_ANNOTATORS else [],
    }


def tasks(prompts: pl.DataFrame, responses: pl.DataFrame) -> list[NewTask]:
    """Return one task per kept prompt of a PROMPTS table, in its order, with its two responses of a RESPONSES table.

    Raises DataError as `paired_tasks` does.
    """
    return [_new_task(each) for each in paired_tasks(prompts, responses)]


def export(database: Path, *, out: Path) -> dict[str, object]:
    """Write every rating of an annotation database as a ratings table, in order of submission.

    `created_at` is UTC; `seconds` runs from claim to answer of the whole task, the same in both its rows; flagged
    tasks have no scores; surplus ratings, given when the task was already finished, are marked. The lineage of prompts
    and responses goes into the folder of `out`. Raises RunError when that holds the lineage of something else, or when
    `out` is a file that no export wrote.
    """
    others = check_place(out, is_own=_is_own)
    engine = open_database(database)
    try:
        with reading(engine) as connection:
            frame = table_from_rows(list(read_ratings(connection)), table=RATINGS, source=str(database))
            origin = read_origin(connection, name=database.stem)
    finally:
        engine.dispose()
    # the lineage goes first: an export that was interrupted can then be done again
    write_lineage(out.parent, _lineage(frame, origin=origin, others=others, name=out.stem))
    write_table(out, frame)
    return {
        "ratings": frame.height,
        "tasks": frame["task_id"].n_unique(),
        "annotators": frame["annotator"].n_unique(),
        "surplus": frame.filter(pl.col("surplus")).height,
        "flagged": frame.filter(pl.col("flags").list.len() > 0).height,
        "out": str(out),
    }


def _origin(prompts: Path, responses: Path) -> Origin:
    found = tasks_origin(prompts, responses)
    inputs = {"prompts": sha256_file(prompts), "responses": sha256_file(responses)}
    return Origin(found.ancestors, inputs, found.simulated)


def _fill(out: Path, made: Sequence[NewTask], *, origin: Origin, names: Sequence[str]) -> list[str]:
    check_is_free(out)
    now = datetime.now(UTC)
    with renamed_when_whole(out) as temporary:
        engine = create_database(temporary)
        try:
            with writing(engine) as connection:
                add_origin(connection, origin)
                add_tasks(connection, made, need=FIRST_ANNOTATORS)
                return [add_annotator(connection, name, now=now) for name in names]
        finally:
            # closing the last connection moves everything from the log into the file that is renamed
            engine.dispose()


def _new_task(task: Task) -> NewTask:
    first, second = (
        NewResponse(
            response_id=str(row["response_id"]),
            response=str(row["response"]),
            generator=str(row["generator"]),
            generator_licence=cast("str | None", row["generator_licence"]),
        )
        for row in task.responses
    )
    return NewTask(task.task_id, task.prompt, (first, second))


def _is_own(lineage: Lineage) -> bool:
    return lineage.stage == STAGE and ANSWERS in lineage.inputs


def _lineage(frame: pl.DataFrame, *, origin: Origin, others: Inheritance, name: str) -> Lineage:
    answers = hashlib.sha256(jsonl_bytes(frame.to_dicts())).hexdigest()
    return Lineage(
        name=name,
        stage=STAGE,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        seed=None,
        config_sha256="",
        inputs={**origin.inputs, ANSWERS: answers},
        ancestors=merge_ancestors([others.ancestors, origin.ancestors]),
        simulated=others.simulated or origin.simulated or bool(frame["simulated"].any()),
        versions=software_versions(),
        commit=source_commit(),
    )
