"""The log of who did what."""

from datetime import datetime, timedelta, timezone

import pytest
from database_work import HOUR, NOON, SITE, events, give, rate, saw, scored, taken, undo, wrote
from sqlalchemy import Connection, Engine

from steersman.store.database.audit import Act, read_events, record, timestamp

pytest_plugins = ("database_fixtures",)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 1, 2, 12))  # noqa: DTZ001 - the fault under test


def test_times_sort_as_their_texts_whatever_their_zone() -> None:
    east = timezone(timedelta(hours=9))
    assert timestamp(NOON.astimezone(east)) == timestamp(NOON) == "2026-01-02T12:00:00.000000+00:00"
    assert timestamp(NOON) < timestamp(NOON + timedelta(microseconds=1)) < timestamp(NOON + HOUR)


def test_an_event_comes_out_as_it_went_in(engine: Engine) -> None:
    by, detail = Act("ann", NOON), {"before": ["a", True], "note": "naïve"}
    wrote(
        engine,
        lambda connection: record(connection, "did", by=by, subject="s", before=detail["before"], note=detail["note"]),
    )
    (event,) = events(engine, "did")
    assert (event.at, event.actor, event.subject, event.detail) == (timestamp(NOON), "ann", "s", detail)


def test_events_go_on_behind_a_number(engine: Engine) -> None:
    for _ in range(3):
        wrote(engine, lambda connection: record(connection, "did", by=SITE))
    first, second, third = (each.event_id for each in saw(engine, lambda connection: list(read_events(connection))))
    rest = saw(engine, lambda connection: [each.event_id for each in read_events(connection, after=first)])
    one = saw(engine, lambda connection: [each.event_id for each in read_events(connection, after=first, limit=1)])
    assert (rest, one) == ([second, third], [second])


def test_what_is_not_done_is_not_in_the_log(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        record(connection, "did", by=SITE)
        raise KeyError("after the event")

    with pytest.raises(KeyError):
        wrote(engine, work)
    assert events(engine, "did") == []


def test_every_claim_submit_expiry_and_undo_is_one_event(filled: Engine) -> None:
    late = taken(filled, "ann")
    taken(filled, "ann")
    rate(filled, "ben", now=NOON + HOUR)
    undo(filled, "ben", now=NOON + HOUR)
    for _ in range(2):
        give(filled, "ann", scored(late.lease), now=NOON + HOUR)
    found = events(filled, "task.claimed", "answer.submitted", "lease.expired", "answer.undone")
    assert [(each.action, each.actor) for each in found] == [
        ("task.claimed", "ann"),
        ("lease.expired", None),
        ("task.claimed", "ben"),
        ("answer.submitted", "ben"),
        ("answer.undone", "ben"),
        ("answer.submitted", "ann"),
    ]
