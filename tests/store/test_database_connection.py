"""Making and opening an annotation database of either kind, and what its tables refuse."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from database_work import SITE, events, wrote
from postgres_server import PostgresServer
from sqlalchemy import Connection, Engine, text

from steersman.errors import ConfigError, DataError, RunError
from steersman.store.database.audit import record
from steersman.store.database.connection import create_database, open_database, reading, shown_place, writing
from steersman.store.database.faults import ConflictError, DatabaseBusyError
from steersman.store.database.postgresql import explained
from steersman.store.database.schema import METADATA

pytest_plugins = ("database_fixtures",)
# the tables of the unreleased version 0002 by which an annotation database is known, and one that is gone since
VERSION_0002 = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE tasks (task_id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL);
CREATE TABLE responses (task_id TEXT, slot INTEGER);
CREATE TABLE annotators (annotator TEXT PRIMARY KEY);
CREATE TABLE assignments (lease TEXT PRIMARY KEY);
CREATE TABLE ratings (rating_id INTEGER PRIMARY KEY, helpfulness INTEGER);
INSERT INTO alembic_version VALUES ('0002');
INSERT INTO ratings VALUES (1, 4);
"""


def test_the_migrations_make_exactly_the_tables_of_the_schema(engine: Engine) -> None:
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_an_answer_waits_for_the_disk_and_readers_do_not_wait(tmp_path: Path) -> None:
    engine = create_database(tmp_path / "site.sqlite")
    with reading(engine) as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_transactions_on_a_server_do_not_follow_its_defaults(server: PostgresServer) -> None:
    url = server.make_database("other_defaults")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE other_defaults SET default_transaction_isolation = 'serializable'")
    engine = create_database(url)
    with writing(engine) as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    with reading(engine) as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"
        assert connection.execute(text("SHOW transaction_read_only")).scalar() == "on"
    engine.dispose()


def test_a_database_is_never_made_over_another(engine: Engine, place: str) -> None:
    with pytest.raises(RunError, match="already"):
        create_database(place)


def test_the_log_of_a_deleted_database_is_not_replayed_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "new.sqlite-wal").write_bytes(b"left over")
    with pytest.raises(RunError, match=r"new\.sqlite-wal: already exists"):
        create_database(tmp_path / "new.sqlite")


def test_opening_an_empty_place_says_how_to_make_a_database(kind: str, new_place: Callable[[str], str]) -> None:
    with pytest.raises(DataError, match="annotate init"):
        open_database(new_place(kind))


def test_a_server_that_cannot_be_reached_is_named_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:hidden@/site?host={tmp_path}"
    with pytest.raises(RunError, match=r"me:\*\*\*@.*cannot be reached") as raised:
        open_database(url)
    assert "hidden" not in str(raised.value) + shown_place(url)


@pytest.mark.parametrize("url", ["mysql://me@host/site", "http://host/site", "nonsense://"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        open_database(url)


def test_opening_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database; " * 50, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as an annotation database"):
        open_database(path)


def test_opening_a_database_of_a_later_version_is_refused(engine: Engine, place: str) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RunError, match=r"version 9999, this steersman knows 0003"):
        open_database(place)


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
@pytest.mark.parametrize("tables", ["places (name)", "alembic_version (version_num)"])
def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path, tables: str, journal_mode: str) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal_mode}")
        connection.execute(f"CREATE TABLE {tables}")
        connection.execute(f"INSERT INTO {tables.split()[0]} VALUES ('0001')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(DataError, match="not an annotation database"):
        open_database(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["places.sqlite"]


def test_a_file_of_the_unreleased_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_0002)
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"version 0002, this steersman knows 0003.* use the one it was made by"):
        open_database(path)
    assert path.read_bytes() == before


def test_a_server_with_the_unreleased_version_is_refused_and_left_as_it_is(server: PostgresServer) -> None:
    url = server.make_database("version_0002")
    with psycopg.connect(url) as connection:
        connection.execute(VERSION_0002.encode())
    with pytest.raises(RunError, match="version 0002"):
        open_database(url)
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert names == (6,)


@pytest.mark.parametrize(
    ("fault", "kind_of_error"),
    [
        (psycopg.errors.DeadlockDetected(), ConflictError),
        (psycopg.errors.SerializationFailure(), ConflictError),
        (psycopg.errors.LockNotAvailable(), DatabaseBusyError),
        (psycopg.errors.TooManyConnections(), DatabaseBusyError),
        (psycopg.errors.AdminShutdown(), DatabaseBusyError),
        (psycopg.OperationalError("server closed the connection unexpectedly"), DatabaseBusyError),
        (psycopg.errors.DiskFull(), RunError),
        (psycopg.errors.UndefinedColumn(), type(None)),
    ],
)
def test_what_a_server_refuses_is_told_in_words_or_is_our_fault(fault: Exception, kind_of_error: type) -> None:
    assert type(explained(fault, name="the database")) is kind_of_error


def test_what_was_acknowledged_outlives_a_crash_of_the_server(server: PostgresServer) -> None:
    engine = create_database(server.make_database("crashed"))
    wrote(engine, lambda connection: record(connection, "noted", by=SITE))

    def work_through_a_crash(connection: Connection) -> None:
        record(connection, "lost", by=SITE)
        server.restart()
        record(connection, "lost too", by=SITE)

    with pytest.raises(DatabaseBusyError, match="cannot be reached"):
        wrote(engine, work_through_a_crash)
    # the connections of the pool are dead now, and replaced unnoticed
    wrote(engine, lambda connection: record(connection, "noted", by=SITE))
    assert len(events(engine, "noted")) == 2
    assert events(engine, "lost", "lost too") == []
    engine.dispose()


def test_threads_that_write_to_one_file_all_get_their_turn(tmp_path: Path) -> None:
    engine = create_database(tmp_path / "site.sqlite")

    def write(number: int) -> None:
        for _ in range(20):
            wrote(engine, lambda connection: record(connection, "noted", by=SITE, subject=str(number)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(events(engine, "noted")) == 6 * 20
    engine.dispose()
