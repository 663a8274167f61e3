"""Take answers back: they keep their rows, and no longer count."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Exists, Integer, Row, bindparam, insert, select, update

from steersman.store.database.answer_tables import ANSWERS, REVIEWS, WITHDRAWALS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import NothingToUndoError
from steersman.store.database.leases import lock_member
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS

_COUNTED = (
    update(MEMBERS)
    .where(MEMBERS.c.project_id == bindparam("of_project"), MEMBERS.c.user_id == bindparam("of_user"))
    .values(num_answered=MEMBERS.c.num_answered + bindparam("change", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why an answer is taken back: `undone` by its annotator, or `rejected` by a reviewer, who may leave a note."""

    reason: Literal["undone", "rejected"]
    note: str | None = None


def withdraw(connection: Connection, answer_id: int, withdrawal: Withdrawal, *, by: Act) -> None:
    """Take an answer back: it no longer counts. Raises NothingToUndoError when it was taken back before.

    An undone one leaves its place held by its annotator, a rejected one frees it for somebody else. A task keeps the
    number of annotators it needs, even where this answer made it grow.
    """
    found = connection.execute(select(ANSWERS).where(ANSWERS.c.answer_id == answer_id)).one()
    key = ASSIGNMENTS.c.assignment_id == found.assignment_id
    owner = connection.execute(select(ASSIGNMENTS.c.project_id, ASSIGNMENTS.c.user_id).where(key)).one()
    lock_member(connection, owner.project_id, owner.user_id)
    assignment = connection.execute(select(ASSIGNMENTS).where(key).with_for_update(key_share=True)).one()
    if (
        connection.execute(select(WITHDRAWALS.c.user_id).where(WITHDRAWALS.c.answer_id == answer_id)).first()
        is not None
    ):
        raise NothingToUndoError("this answer was taken back already")
    connection.execute(
        select(TASKS.c.task_key).where(TASKS.c.task_key == found.task_key).with_for_update(key_share=True)
    )
    connection.execute(
        insert(WITHDRAWALS).values(
            answer_id=answer_id,
            user_id=by.actor,
            reason=withdrawal.reason,
            note=withdrawal.note,
            created_at=timestamp(by.now),
        )
    )
    is_undone = withdrawal.reason == "undone"
    is_held = is_undone and not found.surplus
    state = "active" if is_held else "expired" if is_undone else "withdrawn"
    connection.execute(update(ASSIGNMENTS).where(key).values(state=state))
    if not found.surplus:
        values: dict[str, object] = {"num_done": TASKS.c.num_done - 1}
        values |= {"num_active": TASKS.c.num_active + 1} if is_held else {}
        # with one flag less the task can be rated again, unless a reviewer ended it
        is_opened = found.flags != "[]" and not _was_ended_by_reviewer(connection, found.task_key)
        values |= {"state": "open"} if is_opened else {}
        connection.execute(update(TASKS).where(TASKS.c.task_key == found.task_key).values(values))
    count_for_member(connection, assignment, change=-1)
    record(
        connection,
        f"answer.{withdrawal.reason}",
        by=by,
        project_id=str(assignment.project_id),
        subject=str(assignment.lease),
        answer=answer_id,
    )


def _was_ended_by_reviewer(connection: Connection, task_key: int) -> bool:
    verdicts = select(REVIEWS.c.verdict).where(REVIEWS.c.task_key == task_key)
    decided = verdicts.where(REVIEWS.c.verdict.in_(("ended", "reopened"))).order_by(REVIEWS.c.review_id.desc()).limit(1)
    return connection.execute(decided).scalar() == "ended"


def is_withdrawn() -> Exists:
    """Return the condition that a row of ANSWERS was taken back."""
    return select(WITHDRAWALS.c.answer_id).where(WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id).exists()


def count_for_member(connection: Connection, assignment: Row[tuple[object, ...]], *, change: int) -> None:
    """Count an answer of a lease's annotator that was given (1) or taken back (-1)."""
    key = {"of_project": assignment.project_id, "of_user": assignment.user_id}
    connection.execute(_COUNTED, {**key, "change": change})
