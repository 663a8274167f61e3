"""Write down who did what: one row in the transaction of each change, never altered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, insert, select

from steersman.store.database.answer_tables import AUDIT

_ADDED = insert(AUDIT)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something and when; None is the site itself, or whoever runs its commands."""

    actor: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done; `actor` None is the site itself or whoever runs its commands."""

    event_id: int
    at: str
    actor: str | None
    action: str
    project_id: str | None
    subject: str | None
    detail: Mapping[str, object]


def timestamp(moment: datetime) -> str:
    """Return an aware time as UTC text of fixed width, so that texts sort as times do."""
    if moment.tzinfo is None:
        raise ValueError(f"a time needs a time zone, got {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def record(
    connection: Connection,
    action: str,
    *,
    by: Act,
    project_id: str | None = None,
    subject: str | None = None,
    **detail: object,
) -> None:
    """Add an event, such as `answer.submitted` on the lease `subject`; `detail` holds what JSON can, and no secret."""
    row = {
        "at": timestamp(by.now),
        "actor": by.actor,
        "action": action,
        "project_id": project_id,
        "subject": subject,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
    }
    connection.execute(_ADDED, row)


def read_events(connection: Connection, *, after: int = 0, limit: int | None = None) -> Iterator[Event]:
    """Yield the events whose number is above `after`, oldest first."""
    query = select(AUDIT).where(AUDIT.c.event_id > after).order_by(AUDIT.c.event_id).limit(limit)
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield _event(row)


def newest_events(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    actor: str | None = None,
    subjects: Sequence[str] = (),
) -> list[Event]:
    """Return the newest events, newest first: those below a number, of one actor, or on any of some subjects."""
    query = select(AUDIT).order_by(AUDIT.c.event_id.desc()).limit(limit)
    query = query if before is None else query.where(AUDIT.c.event_id < before)
    query = query if actor is None else query.where(AUDIT.c.actor == actor)
    query = query.where(AUDIT.c.subject.in_(subjects)) if subjects else query
    return [_event(row) for row in connection.execute(query)]


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(row.event_id, row.at, row.actor, row.action, row.project_id, row.subject, json.loads(row.detail))
