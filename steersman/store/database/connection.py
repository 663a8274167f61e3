"""Open an annotation database and run transactions on it.

Every connection uses write-ahead logging and waits for the disk at each commit (`synchronous=FULL`): an answer that
was acknowledged survives a power cut. A writing transaction takes the write lock at its start (`BEGIN IMMEDIATE`),
so that what it reads cannot change before it writes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from steersman.errors import DataError, RunError
from steersman.store.database.faults import DatabaseBusyError
from steersman.store.files import explained_disk_errors

# What callers outside the store hold and hand back; only the store speaks SQL to it.
Database = Engine

_BUSY_TIMEOUT_MS = 30_000
# the web server runs at most 40 calls at once; each holds one connection
_POOL_SIZE = 8
_MAX_OVERFLOW = 40
_BEGIN_OPTION = "steersman_begin"
# the tables of the first version, which every later one keeps
_OWN = {"alembic_version", "tasks", "responses", "annotators", "assignments", "ratings"}


def create_database(path: Path) -> Engine:
    """Make the tables in a new file and return its engine.

    Raises RunError when something stands at `path`, OSError where no file can be made.
    """
    check_is_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite does not say which file it could not make, nor why; the operating system does
    path.touch()
    engine = _engine(path)
    with writing(engine) as connection:
        command.upgrade(_alembic_config(connection), "head")
    return engine


def check_is_free(path: Path) -> None:
    """Raise RunError when a database, or what one leaves beside itself, stands at `path`."""
    # a log left by a deleted database would be replayed into a new one of the same name
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    with explained_disk_errors(path):
        found = [each for each in (path, *beside) if each.exists()]
    if found:
        raise RunError(f"{found[0]}: already exists and may hold answers; choose another --out")


def open_database(path: Path) -> Engine:
    """Return the engine of an existing annotation database; tables of an older version are brought up to date.

    Nothing is changed in a file that is no annotation database. Raises DataError when there is none or it is not one,
    RunError when a newer version of the tables is in it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such database; make one with `steersman annotate init`")
    found = _version(path)
    newest, *older = (each.revision for each in ScriptDirectory.from_config(_alembic_config()).walk_revisions())
    if found not in (newest, *older):
        raise RunError(
            f"{path}: has tables of version {found}, this steersman knows {newest} and older; "
            "use one as new as the one it was made by"
        )
    engine = _engine(path)
    if found != newest:
        with writing(engine) as connection:
            command.upgrade(_alembic_config(connection), "head")
    return engine


def _version(path: Path) -> str:
    """Return the version of the tables in `path`, looked at as any program may look: no setting is changed."""
    try:
        place = f"{path.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_TIMEOUT_MS / 1000)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if names >= _OWN else []
    except sqlite3.DatabaseError as error:
        what = f"{path}: cannot be read as an annotation database ({error}); check the path"
        raise _explained(error, name=str(path)) or DataError(what) from error
    if len(rows) != 1:
        raise DataError(f"{path}: not an annotation database; make one with `steersman annotate init`")
    return str(rows[0][0])


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
        explained = _explained(error.orig, name="the database")
        if explained is None:
            raise
        raise explained from error


def _explained(error: BaseException | None, *, name: str) -> RunError | None:
    cause = str(error)
    if "locked" in cause:
        return DatabaseBusyError(f"{name} is busy and nothing was saved; try again")
    if "full" in cause:
        return RunError("no space left on the disk and nothing was saved; free some space and try again")
    if "readonly" in cause or "unable to open" in cause:
        return RunError(f"{name} may not be written ({cause}); check its permissions")
    return None


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


def _alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "steersman.store:migrations")
    config.attributes["connection"] = connection
    return config
