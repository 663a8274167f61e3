"""Make an annotation database from prompts and responses, and ratings from an annotation database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from steersman.annotation.escalation import FIRST_ANNOTATORS, MOST_ANNOTATORS
from steersman.errors import ConfigError, DataError, join_faults
from steersman.records import Message, Role, prompt_to_text
from steersman.store.database.connection import check_is_free, create_database, open_database, reading, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks, read_ratings
from steersman.store.files import read_table, renamed_when_whole, write_table
from steersman.tables import PROMPTS, RATINGS, RESPONSES, table_from_rows

RESPONSES_PER_TASK = 2


def init(prompts: Path, responses: Path, *, out: Path, annotators: int) -> dict[str, object]:
    """Make the database `out`: one task per prompt, and annotators with tokens that are shown only here.

    Raises ConfigError for no annotators, DataError for faulty tables, RunError when `out` exists.
    """
    if annotators < 1:
        raise ConfigError(f"annotators must be at least 1, got {annotators}; a task needs up to {MOST_ANNOTATORS}")
    prompts_table = read_table(prompts, table=PROMPTS)
    made = tasks(prompts_table, read_table(responses, table=RESPONSES))
    now = datetime.now(UTC)
    names = [f"annotator-{number:0{len(str(annotators))}d}" for number in range(1, annotators + 1)]
    tokens = _fill(out, made, names=names, now=now)
    notes = [f"a task may need {MOST_ANNOTATORS} annotators; some will stay unfinished with {annotators}"]
    return {
        "database": str(out),
        "tasks": len(made),
        "prompts_rejected": prompts_table.height - len(made),
        "annotators": [{"annotator": name, "token": token} for name, token in zip(names, tokens, strict=True)],
        "notes": notes if annotators < MOST_ANNOTATORS else [],
    }


def tasks(prompts: pl.DataFrame, responses: pl.DataFrame) -> list[NewTask]:
    """Return one task per prompt of a PROMPTS table, in its order, with its two responses of a RESPONSES table.

    Prompts marked as not kept make no task. Raises DataError that names every prompt whose id is taken, whose
    messages are no conversation or whose responses are not two different ones, and every response without a prompt.
    """
    answers: dict[str, list[dict[str, object]]] = {}
    for row in responses.to_dicts():
        answers.setdefault(row["prompt_id"], []).append(row)
    kept = prompts.filter(pl.col("kept").fill_null(value=True)).to_dicts()
    faults = _table_faults(kept, answers=answers)
    faults += [fault for row in kept for fault in _prompt_faults(row, answers=answers.get(row["prompt_id"], []))]
    if faults:
        raise DataError(f"{join_faults(faults)}. A task is a kept prompt with exactly two responses.")
    if not kept:
        raise DataError("the table of prompts keeps none; there is nothing to rate")
    return [_new_task(row, answers=answers[row["prompt_id"]]) for row in kept]


def export(database: Path, *, out: Path) -> dict[str, object]:
    """Write every rating of an annotation database as a ratings table, in order of submission.

    `created_at` is UTC; `seconds` runs from claim to answer of the whole task, the same in both its rows; flagged
    tasks have no scores; surplus ratings, given when the task was already finished, are marked.
    """
    engine = open_database(database)
    try:
        with reading(engine) as connection:
            frame = table_from_rows(list(read_ratings(connection)), table=RATINGS, source=str(database))
    finally:
        engine.dispose()
    write_table(out, frame)
    return {
        "ratings": frame.height,
        "tasks": frame["task_id"].n_unique(),
        "annotators": frame["annotator"].n_unique(),
        "surplus": frame.filter(pl.col("surplus")).height,
        "flagged": frame.filter(pl.col("flags").list.len() > 0).height,
        "out": str(out),
    }


def _fill(out: Path, made: Sequence[NewTask], *, names: Sequence[str], now: datetime) -> list[str]:
    check_is_free(out)
    with renamed_when_whole(out) as temporary:
        engine = create_database(temporary)
        try:
            with writing(engine) as connection:
                add_tasks(connection, made, need=FIRST_ANNOTATORS)
                return [add_annotator(connection, name, now=now) for name in names]
        finally:
            # closing the last connection moves everything from the log into the file that is renamed
            engine.dispose()


def _table_faults(kept: Sequence[Mapping[str, object]], *, answers: Mapping[str, object]) -> list[str]:
    times = Counter(str(row["prompt_id"]) for row in kept)
    repeated = [f"prompt {name!r}: {count} rows have this id" for name, count in times.items() if count > 1]
    return repeated + [f"responses to {name!r}: no such prompt is kept" for name in answers if name not in times]


def _prompt_faults(row: Mapping[str, object], *, answers: Sequence[Mapping[str, object]]) -> list[str]:
    faults = []
    if len(answers) != RESPONSES_PER_TASK:
        faults.append(f"prompt {row['prompt_id']!r}: has {len(answers)} responses")
    if len({answer["response_id"] for answer in answers}) < len(answers):
        faults.append(f"prompt {row['prompt_id']!r}: its responses share an id")
    try:
        _prompt_text(row)
    except ValueError as error:
        faults.append(f"prompt {row['prompt_id']!r}: {error}")
    return faults


def _prompt_text(row: Mapping[str, object]) -> str:
    turns = cast("list[dict[str, str]]", row["messages"])
    return prompt_to_text([Message(cast("Role", turn["role"]), turn["content"]) for turn in turns])


def _new_task(row: Mapping[str, object], *, answers: Sequence[Mapping[str, object]]) -> NewTask:
    first, second = (
        NewResponse(
            response_id=str(answer["response_id"]),
            response=str(answer["response"]),
            generator=str(answer["generator"]),
            generator_licence=cast("str | None", answer["generator_licence"]),
        )
        for answer in answers
    )
    return NewTask(str(row["prompt_id"]), _prompt_text(row), (first, second))
