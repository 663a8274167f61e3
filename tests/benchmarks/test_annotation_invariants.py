"""What must never happen in an annotation database is seen when it has happened."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from annotation_invariants import Key, Said, all_faults, played
from annotation_made import PROJECT, made_tasks, make_site
from sqlalchemy import text

from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.connection import Database, open_database, reading, writing
from steersman.web.service import Service

NUM_TASKS = 2
SCORES = (4, 3, 4, 2, 1)
OTHER_SCORES = (3, 3, 3, 3, 3)


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Database, dict[Key, Said]]:
    """Return a database whose tasks all have their three answers, and what was sent."""
    people = make_site(tmp_path / "site.sqlite", made_tasks(NUM_TASKS), people=3, settings={"gold": {"share": 0.0}})
    engine = open_database(tmp_path / "site.sqlite")
    service = Service(engine, lambda: datetime.now(UTC), random.Random(0))
    said: dict[Key, Said] = {}
    for person in people:
        for _ in range(NUM_TASKS):
            task = service.claim(PROJECT, person.name)
            assert task is not None
            service.submit(person.name, answer=Answer(task.lease, (ResponseScores(SCORES), ResponseScores(SCORES))))
            said[task.lease, 0] = Said(person.name, SCORES * 2, surplus=False)
    return engine, said


def faults(engine: Database, said: dict[Key, Said], *, undone: dict[Key, bool] | None = None) -> list[str]:
    with reading(engine) as connection:
        return all_faults(connection, said, undone=undone or {})


def test_a_sound_database_has_no_faults(finished: tuple[Database, dict[Key, Said]]) -> None:
    engine, said = finished
    assert len(said) == 3 * NUM_TASKS
    assert faults(engine, said) == []


def test_an_answer_that_was_sent_and_never_acknowledged_may_be_missing(
    finished: tuple[Database, dict[Key, Said]],
) -> None:
    engine, said = finished
    assert faults(engine, {**said, ("unheard", 0): Said("annotator-0", SCORES * 2)}) == []


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda said, key: {**said, ("gone", 0): Said("annotator-0", SCORES * 2, surplus=False)}, "0 times"),
        (lambda said, key: {**said, key: Said("annotator-0", OTHER_SCORES * 2, surplus=False)}, "was sent as"),
        (lambda said, key: {**said, key: Said(said[key].user, SCORES * 2, surplus=True)}, "surplus True"),
        (lambda said, key: {each: said[each] for each in said if each != key}, "never sent"),
    ],
)
def test_an_answer_that_differs_from_what_was_acknowledged_is_told(
    finished: tuple[Database, dict[Key, Said]],
    tamper: Callable[[dict[Key, Said], Key], dict[Key, Said]],
    expected: str,
) -> None:
    engine, said = finished
    found = faults(engine, tamper(said, next(iter(said))))
    assert [expected in fault for fault in found] == [True]


def test_an_acknowledged_undo_that_did_not_happen_is_told(finished: tuple[Database, dict[Key, Said]]) -> None:
    engine, said = finished
    key = next(iter(said))
    assert any("still counts" in fault for fault in faults(engine, said, undone={key: True}))
    assert faults(engine, said, undone={key: False}) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE tasks SET num_done = 2 WHERE task_key = 1", {"counted", "stuck"}),
        ("UPDATE tasks SET need = 5 WHERE task_key = 1", {"stuck"}),
        (
            "UPDATE assignments SET state = 'active' WHERE assignment_id = 1",
            {"counted", "over-assigned", "stuck", "audit"},
        ),
        ("UPDATE assignments SET state = 'expired' WHERE assignment_id = 1", {"audit"}),
        ("INSERT INTO audit (at, action, subject, detail) VALUES ('', 'task.claimed', 'nothing', '{}')", {"audit"}),
    ],
)
def test_what_the_tables_say_against_each_other_is_told(
    finished: tuple[Database, dict[Key, Said]], statement: str, expected: set[str]
) -> None:
    engine, said = finished
    with writing(engine) as connection:
        connection.execute(text(statement))
    assert {fault.partition(":")[0] for fault in faults(engine, said)} == expected


def test_events_lead_to_the_state_of_a_lease() -> None:
    claimed, expired, submitted = ("task.claimed", "{}"), ("lease.expired", "{}"), ("answer.submitted", "{}")
    assert played([]) is None
    assert played([claimed, expired, claimed]) == "active"
    assert played([claimed, submitted, ("answer.undone", "{}")]) == "active"
    assert played([claimed, expired, ("answer.submitted", '{"surplus": true}')]) == "surplus"
    assert played([claimed, submitted, ("answer.rejected", "{}")]) == "withdrawn"


@pytest.mark.parametrize("events", [["task.claimed", "task.claimed"], ["answer.submitted"], ["lease.renewed"]])
def test_events_that_cannot_follow_each_other_are_told(events: list[str]) -> None:
    assert " in state " in str(played([(event, "{}") for event in events]))
