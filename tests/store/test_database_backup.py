"""Backups of either kind of database, restored on either kind."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from database_work import (
    HOUR,
    NAMES,
    NOON,
    SITE,
    events,
    fill,
    give,
    looked_at,
    new_task,
    rate,
    ratings,
    saw,
    scored,
    taken,
    undo,
    wrote,
)
from postgres_server import PostgresServer
from sqlalchemy import Connection, Engine, func, insert, select

from steersman.errors import DataError, RunError
from steersman.store.database.answer_tables import AUDIT
from steersman.store.database.audit import read_events, record
from steersman.store.database.backups import back_up, restore
from steersman.store.database.connection import check_is_free, create_database, open_database, reading
from steersman.store.database.copying import contents, differing
from steersman.store.database.holding import save_draft
from steersman.store.database.people import add_user, set_password_hash
from steersman.store.database.people_tables import LOGINS
from steersman.store.database.projects import change_settings, read_project
from steersman.store.database.sessions import find_session, start_session
from steersman.store.database.tokens import add_token, find_token

pytest_plugins = ("database_fixtures",)


def work_a_day(engine: Engine) -> tuple[str, str, str]:
    """Let things of every kind happen; return the texts of a session and a token, and a lease with a draft."""
    fill(engine, tasks=[new_task("t1"), new_task("t2"), new_task("g1", kind="gold")])
    for name in NAMES[:3]:
        rate(engine, name)
    undo(engine, "cay")
    lease = taken(engine, "dee").lease
    wrote(engine, lambda connection: save_draft(connection, lease, user_id="dee", draft='{"é": 1}', now=NOON))
    wrote(engine, lambda connection: set_password_hash(connection, "ann", "hash", by=SITE))
    _, token = wrote(engine, lambda connection: add_token(connection, "ann", label="", scopes=("read",), by=SITE))
    session = wrote(engine, lambda connection: start_session(connection, "ann", now=NOON, lasts=HOUR))
    return session, token, lease


@pytest.mark.parametrize("other_kind", ["sqlite", "postgresql"])
def test_work_goes_on_where_a_backup_was_restored(
    engine: Engine, place: str, other_kind: str, new_place: Callable[[str], str], tmp_path: Path
) -> None:
    session, token, lease = work_a_day(engine)
    file, other = tmp_path / "backups" / "monday.sqlite", new_place(other_kind)
    copied = back_up(place, out=file)
    before = file.read_bytes()
    assert restore(file, place=other) == copied == saw(engine, contents)
    assert (file.read_bytes(), [each.name for each in file.parent.iterdir()]) == (before, ["monday.sqlite"])

    found = open_database(other)
    assert ratings(found) == ratings(engine)
    assert saw(found, lambda connection: list(read_events(connection))) == saw(
        engine, lambda connection: list(read_events(connection))
    )
    assert saw(found, lambda connection: find_session(connection, session, now=NOON)) is not None
    assert saw(found, lambda connection: find_token(connection, token, now=NOON)) is not None
    assert looked_at(found, "dee", lease).draft == '{"é": 1}'
    # numbers go on behind those that were copied
    give(found, "dee", scored(lease))
    give(found, "cay", scored(taken(found, "cay").lease, revision=1))
    assert [rate(found, name).task_id for name in ("eli", "ann")] == ["t2", "t2"]
    wrote(found, lambda connection: add_user(connection, "gus", role="annotator", by=SITE))
    assert wrote(found, lambda connection: change_settings(connection, "p", {"a": 1}, by=SITE)) == 2
    assert saw(found, lambda connection: read_project(connection, "p")).settings == {"a": 1}
    found.dispose()


def test_a_backup_is_of_one_moment_while_people_work(engine: Engine, place: str, tmp_path: Path) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def both(connection: Connection) -> None:
        record(connection, "first half", by=SITE)
        record(connection, "second half", by=SITE)

    def work() -> None:
        while not is_over.is_set():
            wrote(engine, both)
            has_begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    has_begun.wait()
    for number in range(5):
        back_up(place, out=tmp_path / f"backup-{number}.sqlite")
    is_over.set()
    thread.join()
    for number in range(5):
        copy = open_database(tmp_path / f"backup-{number}.sqlite")
        assert len(events(copy, "first half")) == len(events(copy, "second half")) > 0
        copy.dispose()


def test_a_backup_is_itself_a_database_in_one_file(engine: Engine, place: str, tmp_path: Path) -> None:
    file = tmp_path / "monday" / "site.sqlite"
    work_a_day(engine)
    back_up(place, out=file)
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT count(*) FROM ratings").fetchone() == (6,)
    copy = open_database(file)
    assert ratings(copy) == ratings(engine)
    copy.dispose()


def test_a_backup_never_writes_over_a_file(engine: Engine, place: str, tmp_path: Path) -> None:
    file = tmp_path / "monday.sqlite"
    file.write_text("older backup", encoding="utf-8")
    with pytest.raises(RunError, match="already exists"):
        back_up(place, out=file)
    assert file.read_text(encoding="utf-8") == "older backup"


def test_a_backup_of_nothing_leaves_no_file(kind: str, new_place: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="annotate init"):
        back_up(new_place(kind), out=tmp_path / "monday.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_never_restored_over_a_database(engine: Engine, place: str, tmp_path: Path) -> None:
    file = tmp_path / "monday.sqlite"
    back_up(place, out=file)
    rate_before = saw(engine, contents)
    with pytest.raises(RunError, match="already"):
        restore(file, place=place)
    assert saw(engine, contents) == rate_before


def test_a_damaged_backup_is_refused_and_the_place_stays_free(
    kind: str, new_place: Callable[[str], str], tmp_path: Path
) -> None:
    file, other = tmp_path / "monday.sqlite", new_place(kind)
    engine = create_database(file)
    fill(engine, tasks=[new_task(f"t{number}") for number in range(1000)])
    engine.dispose()
    whole = file.read_bytes()
    # the first pages tell the tables and their version, the last ones hold tasks
    kept = len(whole) * 3 // 4
    file.write_bytes(whole[:kept] + b"\xff" * (len(whole) - kept))
    with pytest.raises(DataError, match=r"monday\.sqlite: cannot be restored, it is damaged"):
        restore(file, place=other)
    check_is_free(other)


@pytest.mark.parametrize("damage", ["UPDATE alembic_version SET version_num = '0004'", "DROP TABLE alembic_version"])
def test_what_is_no_backup_of_this_version_is_refused(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "monday.sqlite"
    create_database(file).dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(damage)
        connection.commit()
    with pytest.raises((RunError, DataError), match=r"version 0004|not an annotation database"):
        restore(file, place=tmp_path / "other.sqlite")
    assert not (tmp_path / "other.sqlite").exists()


def test_rows_that_a_server_dropped_on_the_way_are_noticed(server: PostgresServer, tmp_path: Path) -> None:
    file, url = tmp_path / "monday.sqlite", server.make_database("dropping")
    engine = create_database(file)
    fill(engine, tasks=[new_task("t1")])
    engine.dispose()
    # a server that keeps no events, as soon as there is a table for them
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE FUNCTION forget() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "CREATE RULE forget AS ON INSERT TO audit DO INSTEAD NOTHING; END $$"
        )
        connection.execute(
            "CREATE EVENT TRIGGER forget ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION') EXECUTE FUNCTION forget()"
        )
    with pytest.raises(RunError, match="the copy is not the same in audit; nothing was kept"):
        restore(file, place=url)
    check_is_free(url)


def test_contents_differ_by_any_value_and_not_by_the_order_of_rows(tmp_path: Path) -> None:
    def holding(name: str, *accounts: str, succeeded: bool = False) -> Engine:
        made = create_database(tmp_path / name)
        rows = [{"account": each, "address": "a", "at": "t", "succeeded": succeeded} for each in accounts]
        numbered = [{"login_id": 1 if row["account"] == "ann" else 2, **row} for row in rows]
        wrote(made, lambda connection: connection.execute(insert(LOGINS), numbered))
        return made

    one, turned = holding("one", "ann", "ben"), holding("turned", "ben", "ann")
    fewer, other = holding("fewer", "ann"), holding("other", "ann", "ben", succeeded=True)
    first = saw(one, contents)
    assert differing(first, saw(turned, contents)) == []
    assert [differing(first, saw(each, contents)) for each in (fewer, other)] == [["logins"]] * 2
    for engine in (one, turned, fewer, other):
        engine.dispose()


def test_more_rows_than_are_copied_at_once_all_come_along(
    engine: Engine, place: str, new_place: Callable[[str], str], tmp_path: Path
) -> None:
    def many(connection: Connection) -> None:
        for number in range(1001):
            record(connection, "did", by=SITE, subject=str(number))

    wrote(engine, many)
    file, other = tmp_path / "monday.sqlite", new_place("postgresql")
    back_up(place, out=file)
    assert restore(file, place=other)["audit"].rows == 1001
    found = open_database(other)
    with reading(found) as connection:
        assert connection.execute(select(func.max(AUDIT.c.event_id))).scalar() == 1001
    wrote(found, lambda connection: record(connection, "did", by=SITE))
    assert len(events(found, "did")) == 1002
    found.dispose()
