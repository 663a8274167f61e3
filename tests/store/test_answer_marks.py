"""Answers that are committed after others with higher ids are read all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from busy_project import PROJECT, BusyProject, start_project
from sqlalchemy import Connection, Engine, insert, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.connection import open_database, reading
from steersman.store.database.statistics import Mark, read_answers, read_mark
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.web.live.loading import load

pytest_plugins = ("database_fixtures",)


@pytest.fixture
def project(engine: Engine) -> BusyProject:
    return start_project(engine)


@contextmanager
def adding(engine: Engine, user_id: str) -> Iterator[Connection]:
    """Add an answer by hand, in a transaction that ends with the block."""
    with engine.begin() as connection:
        task_key = connection.execute(select(TASKS.c.task_key).where(TASKS.c.task_id == "t0")).scalar_one()
        lease = {"lease": f"lease-{user_id}", "project_id": PROJECT, "task_key": task_key, "user_id": user_id}
        times = {"claimed_at": "2026-01-02T12:00:00.000000+00:00", "expires_at": "2026-01-02T13:00:00.000000+00:00"}
        assignment = connection.execute(
            insert(ASSIGNMENTS)
            .values(**lease, **times, state="done", left_slot=1)
            .returning(ASSIGNMENTS.c.assignment_id)
        ).scalar_one()
        answer = connection.execute(
            insert(ANSWERS)
            .values(
                assignment_id=assignment,
                task_key=task_key,
                revision=0,
                flags="[]",
                compared=False,
                seconds=7.0,
                created_at="2026-01-02T12:30:00.000001+00:00",
                guideline_version="1",
                surplus=True,
                sha256="",
            )
            .returning(ANSWERS.c.answer_id)
        ).scalar_one()
        for position, level in enumerate((0, 4)):
            scores = {**dict.fromkeys(ATTRIBUTES, level), "verbosity": None}
            connection.execute(
                insert(RATINGS).values(
                    answer_id=answer, position=position, slot=1 - position, unsafe_reasons="[]", **scores
                )
            )
        yield connection


def test_a_row_holds_what_was_answered(project: BusyProject) -> None:
    with adding(project.engine, "a"):
        pass
    numbers: dict[str, int] = {}
    with reading(project.engine) as connection:
        rows = read_answers(connection, PROJECT, after=0, numbers=numbers)
    assert numbers == {"a": 0}
    assert rows.scores.tolist() == [[[0, 0, 0, 0, -1], [4, 4, 4, 4, -1]]]
    # half an hour after noon, and a microsecond: days since 1970 are 20455
    assert rows.time.tolist() == [(20455 * 86400 + 45000) * 1_000_000 + 1]
    assert (rows.seconds.tolist(), rows.is_active.tolist()) == ([7.0], [False])
    assert (rows.left_slot.tolist(), rows.is_surplus.tolist(), rows.is_flagged.tolist()) == ([1], [True], [False])


def test_other_projects_are_not_read(project: BusyProject) -> None:
    with adding(project.engine, "a"):
        pass
    with reading(project.engine) as connection:
        assert read_answers(connection, "elsewhere", after=0, numbers={}).answer.size == 0


def test_an_answer_that_was_slow_to_commit_is_read_later(project: BusyProject, kind: str, place: str) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite has one writer: ids are committed in order")
    slow = open_database(place)
    with adding(slow, "a"):
        with adding(project.engine, "b"):
            pass
        first = load(project.engine, PROJECT, before=None, now=project.now())
    second = load(project.engine, PROJECT, before=first, now=project.now())
    third = load(project.engine, PROJECT, before=second, now=project.now())
    slow.dispose()
    assert first.names == ("b",)
    assert second.answers.answer.tolist() == third.answers.answer.tolist() == [1, 2]
    assert second.names == ("b", "a")


def test_nothing_is_read_again_once_nobody_writes(project: BusyProject) -> None:
    with adding(project.engine, "a"):
        pass
    with reading(project.engine) as connection:
        mark = read_mark(connection, before=Mark(0, 0, 0))
    assert (mark.newest, mark.settled) == (1, 1)
