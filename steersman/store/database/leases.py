"""Give tasks to annotators; each function runs inside one writing transaction.

A lease gives one annotator one place of one task until it expires; a heartbeat renews it. Nobody holds two leases of a
project at once. `store.database.answers` takes what the annotator says.

On PostgreSQL rows are locked in the order that `store.database.locking` states. Two exceptions are left, a task that
was full when its lock came and an old lease taken again: where two then wait for each other, one is done again.
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)

from steersman.store.database.answer_tables import ANSWERS, DRAFTS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import UnknownError, UnknownLeaseError
from steersman.store.database.next_task import next_task
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.task_tables import ASSIGNMENTS, RESPONSES, TASKS

_UNKNOWN_LEASE = "no such task was given to you; claim a task first"
# Statements are made once: making one takes longer than running it.
_OF_USER, _OF_PROJECT = bindparam("of_user", type_=Text), bindparam("of_project", type_=Text)
_MEMBER = (
    select(MEMBERS)
    .where(MEMBERS.c.project_id == _OF_PROJECT, MEMBERS.c.user_id == _OF_USER)
    .with_for_update(key_share=True)
)
_HELD = (
    select(ASSIGNMENTS.c.lease)
    .where(ASSIGNMENTS.c.project_id == _OF_PROJECT, ASSIGNMENTS.c.user_id == _OF_USER, ASSIGNMENTS.c.state == "active")
    # somebody may be taking it back at this moment
    .with_for_update(key_share=True)
)
_UNDER_LEASE = and_(ASSIGNMENTS.c.lease == bindparam("of_lease"), ASSIGNMENTS.c.user_id == _OF_USER)
_FOUND = select(ASSIGNMENTS).where(_UNDER_LEASE)
_LOCKED = _FOUND.with_for_update(key_share=True)
_NUM_ANSWERS = select(func.count()).where(ANSWERS.c.assignment_id == ASSIGNMENTS.c.assignment_id).scalar_subquery()
# two rows, one per response
_SHOWN = (
    select(
        ASSIGNMENTS,
        TASKS.c.task_id,
        TASKS.c.kind,
        TASKS.c.prompt,
        RESPONSES.c.response,
        DRAFTS.c.draft,
        _NUM_ANSWERS.label("revision"),
    )
    .join(TASKS, TASKS.c.task_key == ASSIGNMENTS.c.task_key)
    .join(RESPONSES, RESPONSES.c.task_key == ASSIGNMENTS.c.task_key)
    .join(DRAFTS, DRAFTS.c.assignment_id == ASSIGNMENTS.c.assignment_id, isouter=True)
    .where(_UNDER_LEASE)
    .order_by(RESPONSES.c.slot)
)
_TAKEN_AGAIN = (
    update(ASSIGNMENTS)
    .where(ASSIGNMENTS.c.task_key == bindparam("of_task"), ASSIGNMENTS.c.user_id == _OF_USER)
    .values(state="active", claimed_at=bindparam("new_claimed_at"), expires_at=bindparam("new_expires_at"))
    .returning(ASSIGNMENTS.c.lease)
)
_COUNTED = (
    update(TASKS)
    .where(TASKS.c.task_key == bindparam("of_task"))
    .values(num_active=TASKS.c.num_active + bindparam("change", type_=Integer))
)
_EXPIRED = select(
    ASSIGNMENTS.c.assignment_id, ASSIGNMENTS.c.lease, ASSIGNMENTS.c.project_id, ASSIGNMENTS.c.task_key
).where(ASSIGNMENTS.c.state == literal_column("'active'"), ASSIGNMENTS.c.expires_at <= bindparam("until"))
_ANY_EXPIRED, _FREE_EXPIRED = _EXPIRED.limit(1), _EXPIRED.with_for_update(key_share=True, skip_locked=True)


@dataclass(frozen=True, slots=True)
class LeasedTask:
    """A task as one annotator sees it: the prompt in HelpSteer2's text form, the responses in their random order.

    `kind` must not reach the annotator where it is `gold`. `revision` numbers the answer to be given; `draft` is the
    text last saved by the page, None when there is none.
    """

    lease: str
    project_id: str
    task_id: str
    kind: str
    prompt: str
    left: str
    right: str
    expires_at: str
    state: str
    revision: int
    draft: str | None


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How long a lease lasts, what draws the response on the left, and which deliveries get no new annotators."""

    lease_length: timedelta
    rng: random.Random
    paused_deliveries: Sequence[str] = ()


def lock_member(connection: Connection, project_id: str, user_id: str) -> Row[tuple[object, ...]]:
    """Return the membership of a user, locked until the transaction ends; raises UnknownError when there is none."""
    found = connection.execute(_MEMBER, {"of_project": project_id, "of_user": user_id}).one_or_none()
    if found is None:
        raise UnknownError("you do not take part in this project; ask its manager")
    return found


def held_task(
    connection: Connection, project_id: str, user_id: str, *, now: datetime, rules: ClaimRules
) -> LeasedTask | None:
    """Return the task that the annotator holds, its lease renewed, or None. The member must be locked."""
    held = connection.execute(_HELD, {"of_project": project_id, "of_user": user_id}).scalar()
    if held is None:
        return None
    renew(connection, held, now=now, rules=rules)
    return leased_task(connection, held, user_id=user_id)


def claim(
    connection: Connection,
    project_id: str,
    user_id: str,
    *,
    kind: str,
    now: datetime,
    rules: ClaimRules,
) -> LeasedTask | None:
    """Give the annotator the first task of a kind that they may have and do not know yet, None when there is none.

    Rating tasks go by priority, highest first, then in their order, and only while a place is free; the others go in
    their order to everybody. The member must be locked, and hold no task.
    """
    task_key = next_task(connection, project_id, user_id, kind=kind, paused_deliveries=rules.paused_deliveries)
    if task_key is None:
        return None
    times = {"claimed_at": timestamp(now), "expires_at": timestamp(now + rules.lease_length)}
    lease = take_again(connection, task_key, user_id=user_id, times=times)
    if lease is None:
        lease = secrets.token_urlsafe(16)
        row = {"lease": lease, "project_id": project_id, "task_key": task_key, "user_id": user_id, **times}
        connection.execute(insert(ASSIGNMENTS), {"state": "active", "left_slot": rules.rng.randrange(2), **row})
    count_active(connection, task_key, change=1)
    record(connection, "task.claimed", by=Act(user_id, now), project_id=project_id, subject=lease)
    return leased_task(connection, lease, user_id=user_id)


def has_expired(connection: Connection, *, now: datetime) -> bool:
    """Tell whether any lease has run out and was not taken back yet."""
    return connection.execute(_ANY_EXPIRED, {"until": timestamp(now)}).first() is not None


def take_back_expired(connection: Connection, *, now: datetime) -> int:
    """Free the places of leases that have expired and return how many there were.

    Call it in a transaction of its own: it locks tasks.
    """
    expired = connection.execute(_FREE_EXPIRED, {"until": timestamp(now)}).all()
    for row in sorted(expired, key=lambda each: each.task_key):
        connection.execute(
            update(ASSIGNMENTS).where(ASSIGNMENTS.c.assignment_id == row.assignment_id).values(state="expired")
        )
        count_active(connection, row.task_key, change=-1)
        record(connection, "lease.expired", by=Act(None, now), project_id=row.project_id, subject=row.lease)
    return len(expired)


def leased_task(connection: Connection, lease: str, *, user_id: str) -> LeasedTask:
    """Return the task under a lease, whatever its state; raises UnknownLeaseError when it is not the annotator's."""
    rows = connection.execute(_SHOWN, {"of_lease": lease, "of_user": user_id}).all()
    if not rows:
        raise UnknownLeaseError(_UNKNOWN_LEASE)
    found = rows[0]
    left, right = (row.response for row in (rows if found.left_slot == 0 else rows[::-1]))
    return LeasedTask(
        lease=lease,
        project_id=found.project_id,
        task_id=found.task_id,
        kind=found.kind,
        prompt=found.prompt,
        left=left,
        right=right,
        expires_at=found.expires_at,
        state=found.state,
        revision=found.revision,
        draft=found.draft,
    )


def find_assignment(connection: Connection, lease: str, *, user_id: str) -> Row[tuple[object, ...]]:
    """Return the assignment under a lease; raises UnknownLeaseError when it is not the annotator's."""
    return _one_assignment(connection, _FOUND, lease, user_id=user_id)


def lock_assignment(connection: Connection, lease: str, *, user_id: str) -> Row[tuple[object, ...]]:
    """Return the assignment under a lease with member and assignment locked; raises UnknownLeaseError as above."""
    found = find_assignment(connection, lease, user_id=user_id)
    lock_member(connection, str(found.project_id), user_id)
    return _one_assignment(connection, _LOCKED, lease, user_id=user_id)


def _one_assignment(
    connection: Connection, query: Select[tuple[object, ...]], lease: str, *, user_id: str
) -> Row[tuple[object, ...]]:
    found = connection.execute(query, {"of_lease": lease, "of_user": user_id}).one_or_none()
    if found is None:
        raise UnknownLeaseError(_UNKNOWN_LEASE)
    return found


def take_again(connection: Connection, task_key: int, *, user_id: str, times: dict[str, str]) -> str | None:
    """Make the annotator's old lease of a task active and return it, None when there is none."""
    # the lease keeps its name and order, so that an answer from a page opened earlier still means what was seen
    given = {f"new_{name}": time for name, time in times.items()}
    return connection.execute(_TAKEN_AGAIN, {"of_task": task_key, "of_user": user_id, **given}).scalar()


def renew(connection: Connection, lease: str, *, now: datetime, rules: ClaimRules) -> None:
    """Let a lease last from now on."""
    expires_at = timestamp(now + rules.lease_length)
    # a clock that was set back must not take time from a lease
    connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.lease == lease, ASSIGNMENTS.c.expires_at < expires_at)
        .values(expires_at=expires_at)
    )


def count_active(connection: Connection, task_key: int, *, change: int) -> None:
    """Count a lease of a task that began (1) or ended (-1)."""
    connection.execute(_COUNTED, {"of_task": task_key, "change": change})
