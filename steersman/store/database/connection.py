"""Open an annotation database and run transactions on it.

Every connection uses write-ahead logging and waits for the disk at each commit (`synchronous=FULL`): an answer that
was acknowledged survives a power cut. A writing transaction takes the write lock at its start (`BEGIN IMMEDIATE`),
so that what it reads cannot change before it writes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from steersman.errors import DataError, RunError
from steersman.store.database.faults import DatabaseBusyError

# What callers outside the store hold and hand back; only the store speaks SQL to it.
Database = Engine

_BUSY_TIMEOUT_MS = 30_000
# the web server runs at most 40 calls at once; each holds one connection
_POOL_SIZE = 8
_MAX_OVERFLOW = 40
_BEGIN_OPTION = "steersman_begin"


def create_database(path: Path) -> Engine:
    """Make the tables in a new file and return its engine; raises RunError when something stands at `path`."""
    check_is_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(path)
    with writing(engine) as connection:
        command.upgrade(_alembic_config(connection), "head")
    return engine


def check_is_free(path: Path) -> None:
    """Raise RunError when a database, or what one leaves beside itself, stands at `path`."""
    # a log left by a deleted database would be replayed into a new one of the same name
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    for each in (path, *beside):
        if each.exists():
            raise RunError(f"{each}: already exists and may hold answers; choose another --out")


def open_database(path: Path) -> Engine:
    """Return the engine of an existing annotation database.

    Raises DataError when there is none or it is not one, RunError when another version of the tables is in it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such database; make one with `steersman annotate init`")
    engine = _engine(path)
    try:
        with reading(engine) as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            newest = ScriptDirectory.from_config(_alembic_config(connection)).get_current_head()
    except DatabaseError as error:
        engine.dispose()
        raise DataError(f"{path}: cannot be read as an annotation database ({error.orig}); check the path") from error
    if found is None:
        engine.dispose()
        raise DataError(f"{path}: not an annotation database; make one with `steersman annotate init`")
    if found != newest:
        engine.dispose()
        raise RunError(
            f"{path}: has tables of version {found}, this steersman needs {newest}; use the one it was made by"
        )
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside a transaction that holds the write lock; committed when the block ends well."""
    with _explained_errors(), engine.connect() as connection:
        connection.execution_options(**{_BEGIN_OPTION: "BEGIN IMMEDIATE"})
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one unchanging state of the database; nothing is written."""
    with _explained_errors(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def _explained_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        cause = str(error.orig)
        if "locked" in cause:
            raise DatabaseBusyError("the database is busy and nothing was saved; try again") from error
        if "full" in cause:
            raise RunError("no space left on the disk and nothing was saved; free some space and try again") from error
        if "readonly" in cause or "unable to open" in cause:
            raise RunError(f"the database may not be written ({cause}); check its permissions") from error
        raise


def _engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, pool_size=_POOL_SIZE, max_overflow=_MAX_OVERFLOW)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # no transactions of the driver's own: `_begin` says when and how they start
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))


def _alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "steersman.store:migrations")
    config.attributes["connection"] = connection
    return config
