"""Find what waits for a reviewer: flagged answers, and answers of annotators who are paused or failed."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, and_, exists, select

from steersman.store.database.answer_tables import ANSWERS, IS_FLAGGED, REVIEWS
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.reviewing import REVIEWED_KINDS
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.withdrawing import is_withdrawn


@dataclass(frozen=True, slots=True)
class WaitingAnswer:
    """An answer that asks for a second look; `reason` says in words of the annotator's stage why, None for flags."""

    answer_id: int
    task_id: str
    annotator: str
    flags: tuple[str, ...]
    reason: str | None
    created_at: str


def flagged_answers(connection: Connection, project_id: str, *, limit: int) -> list[WaitingAnswer]:
    """Return flagged answers that nobody has settled, newest first."""
    query = _waiting(project_id).where(IS_FLAGGED).limit(limit)
    return [_waiting_answer(row, reason=None) for row in connection.execute(query)]


def doubted_answers(connection: Connection, project_id: str, *, limit: int) -> list[WaitingAnswer]:
    """Return answers of annotators who are paused or failed that nobody has settled, newest first."""
    stages = MEMBERS.c.stage.in_(("paused", "failed"))
    query = (
        _waiting(project_id)
        .add_columns(MEMBERS.c.stage)
        .join(
            MEMBERS, and_(MEMBERS.c.project_id == ASSIGNMENTS.c.project_id, MEMBERS.c.user_id == ASSIGNMENTS.c.user_id)
        )
        .where(stages)
        .limit(limit)
    )
    return [_waiting_answer(row, reason=row.stage) for row in connection.execute(query)]


def _waiting(project_id: str) -> Select[tuple[object, ...]]:
    is_settled = exists().where(
        REVIEWS.c.task_key == ANSWERS.c.task_key,
        REVIEWS.c.answer_id.is_(None) | (REVIEWS.c.answer_id == ANSWERS.c.answer_id),
        REVIEWS.c.verdict.in_(("accepted", "adjudicated", "ended")),
    )
    return (
        select(
            ANSWERS.c.answer_id,
            TASKS.c.task_id,
            ASSIGNMENTS.c.user_id,
            ANSWERS.c.flags,
            ANSWERS.c.created_at,
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .where(
            ASSIGNMENTS.c.project_id == project_id,
            TASKS.c.kind.in_(REVIEWED_KINDS),
            ~is_withdrawn(),
            ~is_settled,
        )
        .order_by(ANSWERS.c.answer_id.desc())
    )


def _waiting_answer(row: Row[tuple[object, ...]], *, reason: str | None) -> WaitingAnswer:
    return WaitingAnswer(row.answer_id, row.task_id, row.user_id, tuple(json.loads(row.flags)), reason, row.created_at)
