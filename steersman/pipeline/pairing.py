"""Put prompts and their two responses together as tasks, and say everything that is wrong with the two tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl

from steersman.errors import DataError, join_faults
from steersman.records import Message, Role, prompt_to_text

RESPONSES_PER_TASK = 2

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Task:
    """A kept prompt in HelpSteer2's text form, with its two rows of the RESPONSES table in their order there."""

    task_id: str
    prompt: str
    responses: tuple[Row, Row]


def paired_tasks(prompts: pl.DataFrame, responses: pl.DataFrame) -> list[Task]:
    """Return one task per kept prompt of a PROMPTS table, in its order, with its responses of a RESPONSES table.

    Prompts marked as not kept make no task, and answers to them are passed over. Raises DataError that names every
    prompt whose id is taken, whose messages are no conversation or whose responses are not two different ones, and
    every response without a prompt.
    """
    kept = prompts.filter(pl.col("kept").fill_null(value=True)).to_dicts()
    answers: dict[str, list[Row]] = {}
    for row in responses.to_dicts():
        answers.setdefault(row["prompt_id"], []).append(row)
    faults = _table_faults(kept, known=set(prompts["prompt_id"]), answers=answers)
    faults += [fault for row in kept for fault in _prompt_faults(row, answers=answers.get(row["prompt_id"], []))]
    if faults:
        raise DataError(f"{join_faults(faults)}. A task is a kept prompt with exactly two responses.")
    if not kept:
        raise DataError("the table of prompts keeps none; there is nothing to rate")
    return [_task(row, answers=answers[row["prompt_id"]]) for row in kept]


def _table_faults(kept: Sequence[Row], *, known: set[str], answers: Mapping[str, object]) -> list[str]:
    times = Counter(str(row["prompt_id"]) for row in kept)
    repeated = [f"prompt {name!r}: {count} rows have this id" for name, count in times.items() if count > 1]
    return repeated + [f"responses to {name!r}: there is no such prompt" for name in answers if name not in known]


def _prompt_faults(row: Row, *, answers: Sequence[Row]) -> list[str]:
    name = row["prompt_id"]
    faults = [] if len(answers) == RESPONSES_PER_TASK else [f"prompt {name!r}: has {len(answers)} responses"]
    if len({answer["response_id"] for answer in answers}) < len(answers):
        faults.append(f"prompt {name!r}: its responses share an id")
    try:
        _prompt_text(row)
    except ValueError as error:
        faults.append(f"prompt {name!r}: {error}")
    return faults


def _prompt_text(row: Row) -> str:
    turns = cast("list[dict[str, str]]", row["messages"])
    return prompt_to_text([Message(cast("Role", turn["role"]), turn["content"]) for turn in turns])


def _task(row: Row, *, answers: Sequence[Row]) -> Task:
    first, second = answers
    return Task(str(row["prompt_id"]), _prompt_text(row), (first, second))
