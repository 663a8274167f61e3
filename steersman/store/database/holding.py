"""What happens to a lease between claim and answer: heartbeats, drafts, and giving the task back."""

from datetime import datetime

from sqlalchemy import Connection, Row, exists, insert, or_, select, update

from steersman.store.database.answer_tables import DRAFTS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.leases import (
    ClaimRules,
    LeasedTask,
    count_active,
    leased_task,
    lock_assignment,
    renew,
    take_again,
)
from steersman.store.database.task_tables import ASSIGNMENTS, HAS_FREE_PLACE, TASKS


def heartbeat(connection: Connection, lease: str, *, user_id: str, now: datetime, rules: ClaimRules) -> LeasedTask:
    """Renew a lease that is held; one that expired is taken again while its task has a free place.

    Returns the task, whose `state` says what became of it; raises UnknownLeaseError when it is not the annotator's.
    """
    assignment = lock_assignment(connection, lease, user_id=user_id)
    if assignment.state == "active":
        renew(connection, lease, now=now, rules=rules)
    elif assignment.state == "expired" and _may_take_again(connection, assignment):
        times = {"claimed_at": assignment.claimed_at, "expires_at": timestamp(now + rules.lease_length)}
        take_again(connection, assignment.task_key, user_id=user_id, times=times)
        count_active(connection, assignment.task_key, change=1)
        record(connection, "lease.renewed", by=Act(user_id, now), project_id=assignment.project_id, subject=lease)
    return leased_task(connection, lease, user_id=user_id)


def skip(connection: Connection, lease: str, *, user_id: str, reason: str, now: datetime) -> None:
    """Give a held task back: its place goes to someone else, and its annotator does not get it again."""
    assignment = lock_assignment(connection, lease, user_id=user_id)
    if assignment.state not in ("active", "expired"):
        return
    if assignment.state == "active":
        count_active(connection, assignment.task_key, change=-1)
    connection.execute(update(ASSIGNMENTS).where(ASSIGNMENTS.c.lease == lease).values(state="skipped"))
    record(
        connection,
        "task.skipped",
        by=Act(user_id, now),
        project_id=assignment.project_id,
        subject=lease,
        reason=reason,
    )


def save_draft(connection: Connection, lease: str, *, user_id: str, draft: str, now: datetime) -> None:
    """Keep what is half filled in; the next draft under the same lease replaces it."""
    assignment = lock_assignment(connection, lease, user_id=user_id)
    values = {"draft": draft, "saved_at": timestamp(now)}
    key = DRAFTS.c.assignment_id == assignment.assignment_id
    if connection.execute(update(DRAFTS).where(key).values(values)).rowcount == 0:
        connection.execute(insert(DRAFTS).values(assignment_id=assignment.assignment_id, **values))


def _may_take_again(connection: Connection, assignment: Row[tuple[object, ...]]) -> bool:
    holds_another = exists().where(
        ASSIGNMENTS.c.project_id == assignment.project_id,
        ASSIGNMENTS.c.user_id == assignment.user_id,
        ASSIGNMENTS.c.state == "active",
    )
    has_place = or_(TASKS.c.kind != "rating", HAS_FREE_PLACE)
    query = select(TASKS.c.task_key).where(TASKS.c.task_key == assignment.task_key, has_place, ~holds_another)
    return connection.execute(query.with_for_update(key_share=True)).first() is not None
