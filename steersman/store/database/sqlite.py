"""An annotation database in one SQLite file.

Every connection uses write-ahead logging and waits for the disk at each commit (`synchronous=FULL`): an answer that
was acknowledged survives a power cut. A writing transaction takes the write lock at its start (`BEGIN IMMEDIATE`), so
that what it reads cannot change before it writes. The threads of one process queue for it in the order they came:
SQLite itself lets them sleep and try again, and some then wait for seconds.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from steersman.errors import DataError, RunError
from steersman.store.database.faults import DatabaseBusyError
from steersman.store.files import explained_disk_errors

_BUSY_TIMEOUT_MS = 30_000
# the web server runs at most 40 calls at once; each holds one connection
_POOL_SIZE = 8
_MAX_OVERFLOW = 40
_BEGIN_OPTION = "steersman_begin"
# tables that every version has
_OWN = {"alembic_version", "tasks", "responses", "assignments", "ratings"}


class Queue:
    """A lock that is given in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_held = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn; it ends with the block."""
        with self._guard:
            mine = threading.Lock() if self._is_held else None
            self._is_held = True
            if mine is not None:
                mine.acquire()
                self._waiting.append(mine)
        if mine is not None:
            mine.acquire()
        try:
            yield
        finally:
            with self._guard:
                if self._waiting:
                    self._waiting.popleft().release()
                else:
                    self._is_held = False


_QUEUES: WeakKeyDictionary[Engine, Queue] = WeakKeyDictionary()


def check_is_free(path: Path) -> None:
    """Raise RunError when a database, or what one leaves beside itself, stands at `path`."""
    # a log left by a deleted database would be replayed into a new one of the same name
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    with explained_disk_errors(path):
        found = [each for each in (path, *beside) if each.exists()]
    if found:
        raise RunError(f"{found[0]}: already exists and may hold answers; choose another --out")


def version(path: Path) -> str:
    """Return the version of the tables in `path`, looked at as any program may look: no setting is changed.

    Raises DataError when there is no file or it is no annotation database.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such database; make one with `steersman annotate init`")
    try:
        place = f"{path.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_TIMEOUT_MS / 1000)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if names >= _OWN else []
    except sqlite3.DatabaseError as error:
        what = f"{path}: cannot be read as an annotation database ({error}); check the path"
        raise explained(error, name=str(path)) or DataError(what) from error
    if len(rows) != 1:
        raise DataError(f"{path}: not an annotation database; make one with `steersman annotate init`")
    return str(rows[0][0])


def engine(path: Path) -> Engine:
    """Return the engine of the file at `path`."""
    made = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=_POOL_SIZE,
        max_overflow=_MAX_OVERFLOW,
        # the values of a statement that fails do not belong into a log
        hide_parameters=True,
    )
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _begin)
    _QUEUES[made] = Queue()
    return made


def looking_engine(path: Path) -> Engine:
    """Return an engine of the file at `path` that only reads, and changes no setting of it."""
    place = f"{path.resolve().as_uri()}?mode=ro"
    made = create_engine("sqlite://", creator=lambda: sqlite3.connect(place, uri=True), poolclass=NullPool)
    event.listen(made, "connect", _leave_transactions)
    event.listen(made, "begin", _begin)
    return made


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside a transaction that holds the write lock; committed when the block ends well."""
    with _QUEUES[engine].turn(), engine.connect() as connection:
        connection.execution_options(**{_BEGIN_OPTION: "BEGIN IMMEDIATE"})
        with connection.begin():
            yield connection


def explained(error: BaseException | None, *, name: str) -> RunError | None:
    """Return what an error of SQLite means to a user, or None when it means a fault of ours."""
    cause = str(error)
    if "locked" in cause:
        return DatabaseBusyError(f"{name} is busy and nothing was saved; try again")
    if "full" in cause:
        return RunError("no space left on the disk and nothing was saved; free some space and try again")
    if "readonly" in cause or "unable to open" in cause:
        return RunError(f"{name} may not be written ({cause}); check its permissions")
    return None


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    _leave_transactions(connection, _entry)
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _leave_transactions(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # no transactions of the driver's own: `_begin` says when and how they start
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))
