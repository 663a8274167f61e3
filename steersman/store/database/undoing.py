"""Let annotators take their last answer back for a short time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, select, update

from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import NothingToUndoError
from steersman.store.database.leases import ClaimRules, LeasedTask, count_active, leased_task, lock_member, renew
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.withdrawing import Withdrawal, is_withdrawn, withdraw


@dataclass(frozen=True, slots=True)
class UndoRules:
    """For how long an answer may be taken back, and the rules of the lease that is held again."""

    within: timedelta
    claim: ClaimRules


def undo_last(connection: Connection, project_id: str, user_id: str, *, now: datetime, rules: UndoRules) -> LeasedTask:
    """Take the annotator's last answer back and hold its task again; a task held meanwhile is put away.

    Raises NothingToUndoError when there is none, it is too old, or it belongs to a test.
    """
    lock_member(connection, project_id, user_id)
    last = connection.execute(
        select(
            ANSWERS.c.answer_id,
            ANSWERS.c.task_key,
            ANSWERS.c.created_at,
            ASSIGNMENTS.c.lease,
            TASKS.c.kind,
            is_withdrawn().label("gone"),
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .where(ASSIGNMENTS.c.project_id == project_id, ASSIGNMENTS.c.user_id == user_id)
        .order_by(ANSWERS.c.answer_id.desc())
        .limit(1)
    ).one_or_none()
    if last is None or last.gone or last.created_at < timestamp(now - rules.within):
        raise NothingToUndoError("there is no answer to take back; only the last one can be, for a short time")
    if last.kind not in ("rating", "gold"):
        raise NothingToUndoError("answers of training and tests cannot be taken back")
    held = _lock_held(connection, project_id, user_id, and_task=last.task_key)
    if held is not None:
        _put_away(connection, held, by=Act(user_id, now))
    withdraw(connection, last.answer_id, Withdrawal("undone"), by=Act(user_id, now))
    renew(connection, last.lease, now=now, rules=rules.claim)
    return leased_task(connection, last.lease, user_id=user_id)


def _lock_held(
    connection: Connection, project_id: str, user_id: str, *, and_task: int
) -> Row[tuple[object, ...]] | None:
    """Return the lease that the annotator holds, locked; then its task and another are locked in their order."""
    held = connection.execute(
        select(ASSIGNMENTS)
        .where(
            ASSIGNMENTS.c.project_id == project_id, ASSIGNMENTS.c.user_id == user_id, ASSIGNMENTS.c.state == "active"
        )
        .with_for_update(key_share=True)
    ).one_or_none()
    keys = [and_task] if held is None else [and_task, held.task_key]
    tasks = select(TASKS.c.task_key).where(TASKS.c.task_key.in_(keys)).order_by(TASKS.c.task_key)
    connection.execute(tasks.with_for_update(key_share=True)).all()
    return held


def _put_away(connection: Connection, held: Row[tuple[object, ...]], *, by: Act) -> None:
    key = ASSIGNMENTS.c.assignment_id == held.assignment_id
    connection.execute(update(ASSIGNMENTS).where(key).values(state="expired"))
    count_active(connection, held.task_key, change=-1)
    record(connection, "lease.expired", by=by, project_id=held.project_id, subject=held.lease, put_away=True)
