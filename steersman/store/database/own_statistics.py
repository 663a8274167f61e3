"""What annotators may know of their own answers: how many, how fast, and how often they gave each level."""

import statistics
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, select

from steersman.records import ATTRIBUTES, MAX_SCORE
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.audit import timestamp
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.withdrawing import is_withdrawn

# the median is of so many answers
_LATEST = 200
# answers to training and test are told apart from the work
_WORK = ("rating", "gold")
_OF_LEASE = (ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
_OF_TASK = (TASKS, TASKS.c.task_key == ANSWERS.c.task_key)


@dataclass(frozen=True, slots=True)
class OwnStatistics:
    """An annotator's own work in a project, gold tasks among the others.

    `median_seconds` is of the latest answers; `levels` counts responses by attribute (in the order of ATTRIBUTES) and
    level.
    """

    num_answered: int
    num_since: int
    num_flagged: int
    median_seconds: float | None
    levels: tuple[tuple[int, ...], ...]


def own_statistics(connection: Connection, project_id: str, user_id: str, *, since: datetime) -> OwnStatistics:
    """Return what a member answered in all and since a time; answers that were taken back do not count."""
    flagged = func.sum(_is_one(ANSWERS.c.flags != "[]"))
    recent = func.sum(_is_one(ANSWERS.c.created_at >= timestamp(since)))
    query = select(func.count(), recent, flagged).select_from(ANSWERS).join(*_OF_LEASE).join(*_OF_TASK)
    num_answered, num_since, num_flagged = connection.execute(query.where(*_mine(project_id, user_id))).one()
    seconds = connection.execute(
        select(func.coalesce(ANSWERS.c.active_seconds, ANSWERS.c.seconds))
        .join(*_OF_LEASE)
        .join(*_OF_TASK)
        .where(*_mine(project_id, user_id))
        .order_by(ANSWERS.c.answer_id.desc())
        .limit(_LATEST)
    )
    times = list(seconds.scalars())
    return OwnStatistics(
        num_answered,
        num_since or 0,
        num_flagged or 0,
        statistics.median(times) if times else None,
        _levels(connection, project_id, user_id),
    )


def _levels(connection: Connection, project_id: str, user_id: str) -> tuple[tuple[int, ...], ...]:
    sums = [func.sum(_is_one(RATINGS.c[name] == level)) for name in ATTRIBUTES for level in range(MAX_SCORE + 1)]
    query = select(*sums).select_from(RATINGS).join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
    row = connection.execute(query.join(*_OF_LEASE).join(*_OF_TASK).where(*_mine(project_id, user_id))).one()
    counts = [each or 0 for each in row]
    size = MAX_SCORE + 1
    return tuple(tuple(counts[first : first + size]) for first in range(0, len(counts), size))


def _mine(project_id: str, user_id: str) -> tuple[ColumnElement[bool], ...]:
    mine = (ASSIGNMENTS.c.project_id == project_id, ASSIGNMENTS.c.user_id == user_id)
    return (*mine, TASKS.c.kind.in_(_WORK), ~is_withdrawn())


def _is_one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
