"""Tasks for an annotation project from tables of prompts and responses, with known scores where they have some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import polars as pl

from steersman.errors import DataError
from steersman.pipeline.origins import tasks_origin
from steersman.pipeline.pairing import Task, paired_tasks
from steersman.store.database.origin import Origin
from steersman.store.database.tasks import NewResponse, NewTask
from steersman.store.files import read_table, sha256_file
from steersman.tables import PROMPTS, RESPONSES


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks of one import, where they came from, and how many prompts of the table were not kept."""

    tasks: Sequence[NewTask]
    origin: Origin
    rejected: int


@dataclass(frozen=True, slots=True)
class Placing:
    """What an import says of all its tasks."""

    kind: str = "rating"
    delivery: str | None = None
    priority: int = 0


def read_batch(prompts: Path, responses: Path, *, placing: Placing | None = None) -> Batch:
    """Return one task per kept prompt; raises DataError that names every fault of the two tables."""
    prompts_table = read_table(prompts, table=PROMPTS)
    try:
        made = tasks(prompts_table, read_table(responses, table=RESPONSES))
    except DataError as error:
        raise DataError(f"{prompts} and {responses}: {error}") from error
    where = placing or Placing()
    placed = [replace(each, kind=where.kind, delivery=where.delivery, priority=where.priority) for each in made]
    return Batch(placed, _origin(prompts, responses), prompts_table.height - len(made))


def tasks(prompts: pl.DataFrame, responses: pl.DataFrame) -> list[NewTask]:
    """Return one task per kept prompt of a PROMPTS table, in its order, with its two responses of a RESPONSES table.

    Raises DataError as `paired_tasks` does.
    """
    return [_new_task(each) for each in paired_tasks(prompts, responses)]


def _origin(prompts: Path, responses: Path) -> Origin:
    found = tasks_origin(prompts, responses)
    inputs = {"prompts": sha256_file(prompts), "responses": sha256_file(responses)}
    return Origin(found.ancestors, inputs, found.simulated)


def _new_task(task: Task) -> NewTask:
    first, second = (_new_response(row) for row in task.responses)
    return NewTask(task.task_id, task.prompt, (first, second))


def _new_response(row: Mapping[str, object]) -> NewResponse:
    return NewResponse(
        response_id=str(row["response_id"]),
        response=str(row["response"]),
        generator=str(row["generator"]),
        generator_licence=cast("str | None", row["generator_licence"]),
    )
