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

from sqlalchemy import Connection, Row, Select, and_, exists, insert, or_, select, update

from steersman.store.database.answer_tables import ANSWERS, DRAFTS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import UnknownError, UnknownLeaseError
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.task_tables import ASSIGNMENTS, HAS_FREE_PLACE, RESPONSES, TASKS


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
    found = connection.execute(
        select(MEMBERS)
        .where(MEMBERS.c.project_id == project_id, MEMBERS.c.user_id == user_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if found is None:
        raise UnknownError("you do not take part in this project; ask its manager")
    return found


def held_task(
    connection: Connection, project_id: str, user_id: str, *, now: datetime, rules: ClaimRules
) -> LeasedTask | None:
    """Return the task that the annotator holds, its lease renewed, or None. The member must be locked."""
    held = connection.execute(
        select(ASSIGNMENTS.c.lease)
        .where(
            ASSIGNMENTS.c.project_id == project_id, ASSIGNMENTS.c.user_id == user_id, ASSIGNMENTS.c.state == "active"
        )
        # somebody may be taking it back at this moment
        .with_for_update(key_share=True)
    ).scalar()
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
    task_key = _first_task(connection, project_id, user_id, kind=kind, rules=rules)
    if task_key is None:
        return None
    times = {"claimed_at": timestamp(now), "expires_at": timestamp(now + rules.lease_length)}
    lease = take_again(connection, task_key, user_id=user_id, times=times)
    if lease is None:
        lease = secrets.token_urlsafe(16)
        row = {"lease": lease, "project_id": project_id, "task_key": task_key, "user_id": user_id}
        connection.execute(insert(ASSIGNMENTS).values(state="active", left_slot=rules.rng.randrange(2), **row, **times))
    count_active(connection, task_key, change=1)
    record(connection, "task.claimed", by=Act(user_id, now), project_id=project_id, subject=lease)
    return leased_task(connection, lease, user_id=user_id)


def has_expired(connection: Connection, *, now: datetime) -> bool:
    """Tell whether any lease has run out and was not taken back yet."""
    return connection.execute(_expired(now).limit(1)).first() is not None


def take_back_expired(connection: Connection, *, now: datetime) -> int:
    """Free the places of leases that have expired and return how many there were.

    Call it in a transaction of its own: it locks tasks.
    """
    expired = connection.execute(_expired(now).with_for_update(key_share=True, skip_locked=True)).all()
    for row in sorted(expired, key=lambda each: each.task_key):
        connection.execute(
            update(ASSIGNMENTS).where(ASSIGNMENTS.c.assignment_id == row.assignment_id).values(state="expired")
        )
        count_active(connection, row.task_key, change=-1)
        record(connection, "lease.expired", by=Act(None, now), project_id=row.project_id, subject=row.lease)
    return len(expired)


def leased_task(connection: Connection, lease: str, *, user_id: str) -> LeasedTask:
    """Return the task under a lease, whatever its state; raises UnknownLeaseError when it is not the annotator's."""
    assignment = find_assignment(connection, lease, user_id=user_id)
    task = connection.execute(
        select(TASKS.c.task_id, TASKS.c.kind, TASKS.c.prompt).where(TASKS.c.task_key == assignment.task_key)
    ).one()
    left, right = (row.response for row in shown_responses(connection, assignment))
    mine = DRAFTS.c.assignment_id == assignment.assignment_id
    draft = connection.execute(select(DRAFTS.c.draft).where(mine)).scalar()
    answers = connection.execute(
        select(ANSWERS.c.revision).where(ANSWERS.c.assignment_id == assignment.assignment_id)
    ).all()
    return LeasedTask(
        lease=lease,
        project_id=assignment.project_id,
        task_id=task.task_id,
        kind=task.kind,
        prompt=task.prompt,
        left=left,
        right=right,
        expires_at=assignment.expires_at,
        state=assignment.state,
        revision=len(answers),
        draft=draft,
    )


def find_assignment(connection: Connection, lease: str, *, user_id: str) -> Row[tuple[object, ...]]:
    """Return the assignment under a lease; raises UnknownLeaseError when it is not the annotator's."""
    return _one_assignment(connection, select(ASSIGNMENTS), lease, user_id=user_id)


def lock_assignment(connection: Connection, lease: str, *, user_id: str) -> Row[tuple[object, ...]]:
    """Return the assignment under a lease with member and assignment locked; raises UnknownLeaseError as above."""
    found = find_assignment(connection, lease, user_id=user_id)
    lock_member(connection, str(found.project_id), user_id)
    return _one_assignment(connection, select(ASSIGNMENTS).with_for_update(key_share=True), lease, user_id=user_id)


def shown_responses(connection: Connection, assignment: Row[tuple[object, ...]]) -> Sequence[Row[tuple[object, ...]]]:
    """Return the two responses of an assignment as its annotator sees them, left first."""
    rows = connection.execute(
        select(RESPONSES).where(RESPONSES.c.task_key == assignment.task_key).order_by(RESPONSES.c.slot)
    ).all()
    return rows if assignment.left_slot == 0 else rows[::-1]


def _one_assignment(
    connection: Connection, query: Select[tuple[object, ...]], lease: str, *, user_id: str
) -> Row[tuple[object, ...]]:
    where = and_(ASSIGNMENTS.c.lease == lease, ASSIGNMENTS.c.user_id == user_id)
    found = connection.execute(query.where(where)).one_or_none()
    if found is None:
        raise UnknownLeaseError("no such task was given to you; claim a task first")
    return found


def _first_task(connection: Connection, project_id: str, user_id: str, *, kind: str, rules: ClaimRules) -> int | None:
    seen = exists().where(
        ASSIGNMENTS.c.task_key == TASKS.c.task_key, ASSIGNMENTS.c.user_id == user_id, ASSIGNMENTS.c.state != "expired"
    )
    query = select(TASKS.c.task_key).where(TASKS.c.project_id == project_id, TASKS.c.kind == kind, ~seen).limit(1)
    if kind != "rating":
        return connection.execute(query.where(TASKS.c.state == "open").order_by(TASKS.c.ordinal)).scalar()
    query = query.where(HAS_FREE_PLACE).order_by(TASKS.c.priority.desc(), TASKS.c.ordinal)
    if rules.paused_deliveries:
        query = query.where(or_(TASKS.c.delivery.is_(None), TASKS.c.delivery.not_in(rules.paused_deliveries)))
    found = connection.execute(query.with_for_update(key_share=True, skip_locked=True)).scalar()
    # a task that another transaction holds may still have a place when that one ends
    return found if found is not None else connection.execute(query.with_for_update(key_share=True)).scalar()


def take_again(connection: Connection, task_key: int, *, user_id: str, times: dict[str, str]) -> str | None:
    """Make the annotator's old lease of a task active and return it, None when there is none."""
    # the lease keeps its name and order, so that an answer from a page opened earlier still means what was seen
    return connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.task_key == task_key, ASSIGNMENTS.c.user_id == user_id)
        .values(state="active", **times)
        .returning(ASSIGNMENTS.c.lease)
    ).scalar()


def renew(connection: Connection, lease: str, *, now: datetime, rules: ClaimRules) -> None:
    """Let a lease last from now on."""
    expires_at = timestamp(now + rules.lease_length)
    # a clock that was set back must not take time from a lease
    connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.lease == lease, ASSIGNMENTS.c.expires_at < expires_at)
        .values(expires_at=expires_at)
    )


def _expired(now: datetime) -> Select[tuple[int, str, str, int]]:
    return select(
        ASSIGNMENTS.c.assignment_id, ASSIGNMENTS.c.lease, ASSIGNMENTS.c.project_id, ASSIGNMENTS.c.task_key
    ).where(ASSIGNMENTS.c.state == "active", ASSIGNMENTS.c.expires_at <= timestamp(now))


def count_active(connection: Connection, task_key: int, *, change: int) -> None:
    """Count a lease of a task that began (1) or ended (-1)."""
    connection.execute(update(TASKS).where(TASKS.c.task_key == task_key).values(num_active=TASKS.c.num_active + change))
