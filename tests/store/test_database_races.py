"""Two transactions that want the same thing at the same time: one waits, and then decides on what is true."""

import threading

import pytest
from database_work import (
    HOUR,
    NAMES,
    NOON,
    SITE,
    counters,
    events,
    fill,
    new_task,
    saw,
    wrote,
)
from meeting_transactions import Work, meet, wait_until_waiting
from postgres_server import PostgresServer
from sqlalchemy import Connection, Engine, select, update

from steersman.errors import ConfigError
from steersman.store.database.answer_tables import AUDIT
from steersman.store.database.audit import Act, read_events, record
from steersman.store.database.connection import (
    create_database,
    reading,
    reading_in_order,
    retrying,
    writing,
)
from steersman.store.database.faults import ConflictError, TakenError, UnknownError
from steersman.store.database.invitations import NewInvitation, add_invitation, count_use, find_invitation
from steersman.store.database.people import add_member, add_user, change_user, read_members, read_users
from steersman.store.database.projects import (
    add_project,
    change_settings,
    mark_guideline_seen,
    project_ids,
    read_project,
)
from steersman.store.database.task_tables import TASKS
from steersman.store.database.tasks import add_tasks

pytest_plugins = ("database_fixtures",)


def adding_user(name: str) -> Work:
    return lambda connection: add_user(connection, name, role="annotator", by=SITE)


def adding_tasks(*names: str) -> Work:
    tasks = [new_task(name) for name in names]
    return lambda connection: add_tasks(connection, "p", tasks, need=3, by=SITE)


def adding_project(title: str) -> Work:
    return lambda connection: add_project(connection, "q", title=title, settings={}, guideline="", by=SITE)


def test_the_same_name_is_given_to_one_of_two(engine: Engine) -> None:
    outcome = meet(engine, adding_user("Gus"), adding_user("gus"))
    assert isinstance(outcome.error, TakenError)
    assert [each.user_id for each in saw(engine, read_users)] == ["Gus"]


def test_the_same_project_is_made_by_one_of_two(engine: Engine) -> None:
    outcome = meet(engine, adding_project("first"), adding_project("second"))
    assert isinstance(outcome.error, TakenError)
    assert saw(engine, project_ids) == ["q"]


def test_two_owners_cannot_make_each_other_something_less(engine: Engine) -> None:
    for name in ("ann", "ben"):
        with writing(engine) as connection:
            add_user(connection, name, role="owner", by=SITE)
    outcome = meet(
        engine,
        lambda connection: change_user(connection, "ann", role="manager", is_active=True, by=SITE),
        lambda connection: change_user(connection, "ben", role="manager", is_active=True, by=SITE),
    )
    assert isinstance(outcome.error, ConfigError)
    assert [each.role for each in saw(engine, read_users)] == ["manager", "owner"]


def test_somebody_who_joins_twice_at_once_takes_part_once(filled: Engine) -> None:
    wrote(filled, adding_user("gus"))

    def work(connection: Connection) -> None:
        add_member(connection, "p", "gus", stage="training", by=SITE)

    assert meet(filled, work, work).error is None
    assert len(saw(filled, lambda connection: read_members(connection, "p"))) == len(NAMES) + 1


def test_the_last_use_of_an_invitation_goes_to_one_of_two(filled: Engine) -> None:
    asked = NewInvitation("annotator", "p")
    _, secret = wrote(filled, lambda connection: add_invitation(connection, asked, by=SITE, lasts=HOUR))

    def joining(name: str) -> Work:
        def work(connection: Connection) -> None:
            found = find_invitation(connection, secret, now=NOON)
            assert found is not None
            add_user(connection, name, role=found.role, by=Act(name, NOON))
            count_use(connection, found, user_id=name, now=NOON)

        return work

    with reading(filled) as connection:
        found = find_invitation(connection, secret, now=NOON)
    assert found is not None
    outcome = meet(filled, joining("gus"), lambda connection: count_use(connection, found, user_id="ann", now=NOON))
    assert isinstance(outcome.error, UnknownError)
    assert len(events(filled, "invitation.used")) == 1


def test_a_guideline_read_in_two_windows_is_noted_once(filled: Engine) -> None:
    def work(connection: Connection) -> None:
        mark_guideline_seen(connection, "p", "ann", version=1, now=NOON)

    assert meet(filled, work, work).error is None
    assert len(events(filled, "guideline.seen")) == 1


def test_two_changes_of_the_settings_are_two_versions(filled: Engine) -> None:
    outcome = meet(
        filled,
        lambda connection: change_settings(connection, "p", {"a": 1}, by=SITE),
        lambda connection: change_settings(connection, "p", {"a": 2}, by=SITE),
    )
    assert outcome.value == 3
    assert saw(filled, lambda connection: read_project(connection, "p")).settings == {"a": 2}


def test_two_imports_at_once_stand_behind_one_another(filled: Engine) -> None:
    assert meet(filled, adding_tasks("a", "b"), adding_tasks("c")).error is None
    query = select(TASKS.c.task_id, TASKS.c.ordinal).order_by(TASKS.c.ordinal)
    found = saw(filled, lambda connection: [tuple(row) for row in connection.execute(query)])
    assert found == [("t1", 0), ("t2", 1), ("a", 2), ("b", 3), ("c", 4)]


def test_the_same_import_twice_at_once_is_done_once(filled: Engine) -> None:
    outcome = meet(filled, adding_tasks("a"), adding_tasks("a"))
    assert isinstance(outcome.error, TakenError)


def test_transactions_that_wait_for_each_other_both_end_well(server: PostgresServer) -> None:
    engine = create_database(server.make_database("deadlocked"))
    fill(engine, tasks=[new_task("t1"), new_task("t2")])
    both_hold_one = threading.Barrier(2)

    def work(first: str, second: str, tries: list[int]) -> None:
        @retrying
        def change() -> None:
            tries.append(len(tries))
            with writing(engine) as connection:
                connection.execute(update(TASKS).where(TASKS.c.task_id == first).values(need=TASKS.c.need + 1))
                if len(tries) == 1:
                    both_hold_one.wait()
                connection.execute(update(TASKS).where(TASKS.c.task_id == second).values(need=TASKS.c.need + 1))

        change()

    tries: tuple[list[int], list[int]] = ([], [])
    threads = [
        threading.Thread(target=work, args=("t1", "t2", tries[0])),
        threading.Thread(target=work, args=("t2", "t1", tries[1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counters(engine, name)[0] for name in ("t1", "t2")] == [5, 5]
    # the server ended one of them, once
    assert sorted(map(len, tries)) == [1, 2]
    engine.dispose()


def test_a_stream_in_order_waits_for_rows_with_lower_numbers(engine: Engine) -> None:
    seen: list[str | None] = []

    def stream() -> None:
        with reading_in_order(engine, AUDIT) as connection:
            seen.extend(each.subject for each in read_events(connection))

    thread = threading.Thread(target=stream)
    with writing(engine) as connection:
        record(connection, "did", by=SITE, subject="first number")
        if engine.dialect.name == "postgresql":
            wrote(engine, lambda other: record(other, "did", by=SITE, subject="second number"))
            # without waiting, a stream would go on behind the second number and never see the first
            assert [each.subject for each in events(engine, "did")] == ["second number"]
            thread.start()
            wait_until_waiting(engine, thread)
    if engine.dialect.name == "sqlite":
        thread.start()
    thread.join()
    assert seen == ["first number", "second number"][: len(seen)]
    assert "first number" in seen


def test_a_stream_in_order_holds_nobody_up_once_it_has_begun(engine: Engine) -> None:
    with reading_in_order(engine, AUDIT) as connection:
        before = list(read_events(connection))
        wrote(engine, lambda other: record(other, "did", by=SITE))
        assert (before, list(read_events(connection))) == ([], [])
    assert len(events(engine, "did")) == 1


@pytest.mark.parametrize("tries", [1, 5, 6])
def test_work_is_done_again_a_few_times(tries: int) -> None:
    done: list[int] = []

    @retrying
    def work() -> int:
        done.append(len(done))
        if len(done) < tries:
            raise ConflictError("busy")
        return len(done)

    if tries > 5:
        with pytest.raises(ConflictError):
            work()
    else:
        assert work() == tries
    assert len(done) == min(tries, 5)
