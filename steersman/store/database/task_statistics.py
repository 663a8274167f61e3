"""Read how far the tasks of a project are, without their texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from steersman.store.database.answer_tables import REVIEWS
from steersman.store.database.task_tables import ASSIGNMENTS, IS_FINISHED, KNOWN_SCORES, RESPONSES, TASKS

_ROWS_AT_ONCE = 10_000
# SQLite takes at most 32,766 values in one statement
_KEYS_AT_ONCE = 10_000
_KNOWN_KINDS = ("gold", "training", "qualification")


@dataclass(frozen=True, slots=True)
class TaskCount:
    """How many rating tasks of a delivery are alike.

    `missing` and `answers` are sums over them: what each needs less what it has, and what it has.
    """

    delivery: str | None
    is_ended: bool
    is_finished: bool
    is_begun: bool
    has_grown: bool
    has_first: bool
    tasks: int
    missing: int
    answers: int


def count_tasks_alike(connection: Connection, project_id: str, *, first: int) -> list[TaskCount]:
    """Return how many rating tasks of a project are alike; `first` is how many annotators a task needs at first."""
    is_ended, is_begun = TASKS.c.state == "ended", TASKS.c.num_active + TASKS.c.num_done > 0
    flags = (
        _bit(is_ended, 1),
        _bit(IS_FINISHED, 1),
        _bit(is_begun, 1),
        _bit(TASKS.c.need > first, 1),
        _bit(TASKS.c.num_done >= first, 1),
    )
    missing = case((IS_FINISHED, 0), else_=TASKS.c.need - TASKS.c.num_done)
    query = (
        select(TASKS.c.delivery, *flags, func.count(), func.sum(missing), func.sum(TASKS.c.num_done))
        .where(TASKS.c.project_id == project_id, TASKS.c.kind == "rating")
        .group_by(TASKS.c.delivery, *flags)
    )
    return [
        TaskCount(row[0], *(bool(each) for each in row[1:6]), *(int(each) for each in row[6:]))
        for row in connection.execute(query)
    ]


def known_kinds(connection: Connection, project_id: str) -> dict[int, str]:
    """Return the keys of the tasks with known scores, and their kinds; every other task is a rating task."""
    query = select(TASKS.c.task_key, TASKS.c.kind).where(
        TASKS.c.project_id == project_id, TASKS.c.kind.in_(_KNOWN_KINDS)
    )
    return {row.task_key: row.kind for row in connection.execute(query)}


def gold_helpfulness(connection: Connection, project_id: str) -> dict[tuple[int, int], int]:
    """Return the known helpfulness by key of gold task and slot."""
    query = (
        select(KNOWN_SCORES.c.task_key, KNOWN_SCORES.c.slot, KNOWN_SCORES.c.helpfulness)
        .join(TASKS, TASKS.c.task_key == KNOWN_SCORES.c.task_key)
        .where(TASKS.c.project_id == project_id, TASKS.c.kind == "gold", KNOWN_SCORES.c.helpfulness.is_not(None))
    )
    return {(row.task_key, row.slot): row.helpfulness for row in connection.execute(query)}


def count_skips(connection: Connection, project_id: str) -> dict[str, int]:
    """Return how many tasks each annotator has given back."""
    query = (
        select(ASSIGNMENTS.c.user_id, func.count())
        .where(ASSIGNMENTS.c.project_id == project_id, ASSIGNMENTS.c.state == "skipped")
        .group_by(ASSIGNMENTS.c.user_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def settled_tasks(connection: Connection, project_id: str) -> set[int]:
    """Return the keys of the tasks on which a reviewer's last word was to settle them."""
    query = (
        select(REVIEWS.c.task_key, REVIEWS.c.verdict)
        .join(TASKS, TASKS.c.task_key == REVIEWS.c.task_key)
        .where(TASKS.c.project_id == project_id, REVIEWS.c.verdict.in_(("adjudicated", "ended", "reopened")))
        .order_by(REVIEWS.c.review_id)
    )
    last = {row.task_key: row.verdict for row in connection.execute(query)}
    return {key for key, verdict in last.items() if verdict != "reopened"}


def first_slots(connection: Connection, task_keys: Sequence[int]) -> dict[int, int]:
    """Return the slot of the response whose id is the smaller one, by task."""
    one, other = RESPONSES.alias("one"), RESPONSES.alias("other")
    found: dict[int, int] = {}
    for start in range(0, len(task_keys), _KEYS_AT_ONCE):
        part = task_keys[start : start + _KEYS_AT_ONCE]
        query = (
            select(one.c.task_key, one.c.response_id, other.c.response_id)
            .join(other, and_(other.c.task_key == one.c.task_key, other.c.slot == 1))
            .where(one.c.slot == 0, one.c.task_key.in_(part))
        )
        # compared here: databases sort texts by the rules of a language
        found.update({key: int(second < first) for key, first, second in connection.execute(query)})
    return found


@dataclass(frozen=True, slots=True)
class NamedTask:
    """What a task is called, and whether it was taken out."""

    task_id: str
    is_ended: bool


def name_tasks(connection: Connection, task_keys: Sequence[int]) -> dict[int, NamedTask]:
    """Return the tasks of these keys."""
    found: dict[int, NamedTask] = {}
    for start in range(0, len(task_keys), _KEYS_AT_ONCE):
        part = task_keys[start : start + _KEYS_AT_ONCE]
        query = select(TASKS.c.task_key, TASKS.c.task_id, TASKS.c.state).where(TASKS.c.task_key.in_(part))
        found.update({row.task_key: NamedTask(row.task_id, row.state == "ended") for row in connection.execute(query)})
    return found


def over_tasks(connection: Connection, project_id: str) -> npt.NDArray[np.int64]:
    """Return the keys of the rating tasks that get no more annotators: finished or ended, in order."""
    query = (
        select(TASKS.c.task_key)
        .where(TASKS.c.project_id == project_id, TASKS.c.kind == "rating", or_(IS_FINISHED, TASKS.c.state == "ended"))
        .order_by(TASKS.c.task_key)
    )
    parts = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query).scalars().partitions()
    return np.array([key for part in parts for key in part], dtype=np.int64)


def _bit(condition: ColumnElement[bool], value: int) -> ColumnElement[int]:
    return case((condition, value), else_=0)
