"""Give tasks to annotators; each function runs inside one writing transaction.

A lease gives one annotator one place of one task until it expires. Expired leases are taken back inside the next
claim. `store.database.answers` takes what the annotator says.
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, and_, bindparam, exists, insert, select, update

from steersman.store.database.faults import UnknownLeaseError
from steersman.store.database.schema import ASSIGNMENTS, HAS_FREE_PLACE, RESPONSES, TASKS


@dataclass(frozen=True, slots=True)
class LeasedTask:
    """A task as one annotator sees it: the prompt in HelpSteer2's text form, the responses in their random order."""

    lease: str
    task_id: str
    prompt: str
    left: str
    right: str
    expires_at: str


def timestamp(moment: datetime) -> str:
    """Return an aware time as UTC text of fixed width, so that texts sort as times do."""
    if moment.tzinfo is None:
        raise ValueError(f"a time needs a time zone, got {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def claim(
    connection: Connection, annotator: str, *, now: datetime, lease_length: timedelta, rng: random.Random
) -> LeasedTask | None:
    """Return the annotator's task: the one they hold, else the first with a free place, else None.

    Holding a task and claiming again renews the lease; nobody holds two tasks at once.
    """
    times = {"expires_at": timestamp(now + lease_length)}
    held = connection.execute(
        select(ASSIGNMENTS.c.lease).where(ASSIGNMENTS.c.annotator == annotator, ASSIGNMENTS.c.state == "active")
    ).scalar()
    if held is not None:
        connection.execute(update(ASSIGNMENTS).where(ASSIGNMENTS.c.lease == held).values(times))
        return leased_task(connection, held, annotator=annotator)
    take_back_expired(connection, now=now)
    task_id = _first_open_task(connection, annotator)
    if task_id is None:
        return None
    times["claimed_at"] = timestamp(now)
    lease = _renew_expired(connection, task_id, annotator=annotator, times=times)
    if lease is None:
        lease = secrets.token_urlsafe(16)
        row = {"lease": lease, "task_id": task_id, "annotator": annotator, "left_slot": rng.randrange(2)}
        connection.execute(insert(ASSIGNMENTS).values(state="active", **row, **times))
    connection.execute(update(TASKS).where(TASKS.c.task_id == task_id).values(num_active=TASKS.c.num_active + 1))
    return leased_task(connection, lease, annotator=annotator)


def take_back_expired(connection: Connection, *, now: datetime) -> int:
    """Free the places of leases that have expired and return how many there were."""
    expired = connection.execute(
        select(ASSIGNMENTS.c.lease, ASSIGNMENTS.c.task_id).where(
            ASSIGNMENTS.c.state == "active", ASSIGNMENTS.c.expires_at <= timestamp(now)
        )
    ).all()
    if not expired:
        return 0
    connection.execute(
        update(ASSIGNMENTS).where(ASSIGNMENTS.c.lease == bindparam("gone")).values(state="expired"),
        [{"gone": row.lease} for row in expired],
    )
    connection.execute(
        update(TASKS).where(TASKS.c.task_id == bindparam("of_task")).values(num_active=TASKS.c.num_active - 1),
        [{"of_task": row.task_id} for row in expired],
    )
    return len(expired)


def leased_task(connection: Connection, lease: str, *, annotator: str) -> LeasedTask:
    """Return the task under a lease, whatever its state; raises UnknownLeaseError when it is not the annotator's."""
    assignment = find_assignment(connection, lease, annotator=annotator)
    prompt = connection.execute(select(TASKS.c.prompt).where(TASKS.c.task_id == assignment.task_id)).scalar_one()
    left, right = (row.response for row in shown_responses(connection, assignment))
    return LeasedTask(lease, assignment.task_id, prompt, left, right, assignment.expires_at)


def find_assignment(connection: Connection, lease: str, *, annotator: str) -> Row[tuple[object, ...]]:
    """Return the assignment under a lease; raises UnknownLeaseError when it is not the annotator's."""
    where = and_(ASSIGNMENTS.c.lease == lease, ASSIGNMENTS.c.annotator == annotator)
    found = connection.execute(select(ASSIGNMENTS).where(where)).one_or_none()
    if found is None:
        raise UnknownLeaseError("no such task was given to you; claim a task first")
    return found


def shown_responses(connection: Connection, assignment: Row[tuple[object, ...]]) -> Sequence[Row[tuple[object, ...]]]:
    """Return the two responses of an assignment as its annotator sees them, left first."""
    rows = connection.execute(
        select(RESPONSES).where(RESPONSES.c.task_id == assignment.task_id).order_by(RESPONSES.c.slot)
    ).all()
    return rows if assignment.left_slot == 0 else rows[::-1]


def _first_open_task(connection: Connection, annotator: str) -> str | None:
    seen = exists().where(
        ASSIGNMENTS.c.task_id == TASKS.c.task_id,
        ASSIGNMENTS.c.annotator == annotator,
        ASSIGNMENTS.c.state != "expired",
    )
    return connection.execute(
        select(TASKS.c.task_id).where(HAS_FREE_PLACE, ~seen).order_by(TASKS.c.ordinal).limit(1)
    ).scalar()


def _renew_expired(connection: Connection, task_id: str, *, annotator: str, times: dict[str, str]) -> str | None:
    # the lease keeps its name and order, so that an answer from a page opened earlier still means what was seen
    return connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.task_id == task_id, ASSIGNMENTS.c.annotator == annotator)
        .values(state="active", **times)
        .returning(ASSIGNMENTS.c.lease)
    ).scalar()
