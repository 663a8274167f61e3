"""Make and open an annotation database, and run transactions on it: a SQLite file, or PostgreSQL by its URL.

A writing transaction sees nothing change under what it has read and locked: SQLite takes the write lock at its start,
PostgreSQL locks the rows that `store.database.leases` and `answers` ask for. What was acknowledged is on disk.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, select, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from steersman.errors import RunError
from steersman.store.database import postgresql, sqlite
from steersman.store.database.faults import ConflictError, DatabaseBusyError
from steersman.store.database.keepable import refuse_unkeepable
from steersman.store.database.locking import lock_names

# What callers outside the store hold and hand back; only the store speaks SQL to it.
Database = Engine
Transaction = Connection

P = ParamSpec("P")
T = TypeVar("T")
_MOST_TRIES = 5


def is_url(place: str | Path) -> bool:
    """Tell whether `place` names a database server; anything else is the path of a SQLite file."""
    return "://" in str(place)


def shown_place(place: str | Path) -> str:
    """Return the place of a database as it may be printed and logged: without a password."""
    return postgresql.without_password(str(place)) if is_url(place) else str(place)


def check_is_free(place: str | Path) -> None:
    """Raise RunError when there is a database at `place` already."""
    if is_url(place):
        postgresql.check_is_free(str(place))
    else:
        sqlite.check_is_free(Path(place))


def create_database(place: str | Path) -> Engine:
    """Make the tables in a new file, or in an empty database of a server, and return its engine.

    Raises RunError when something stands at `place`, OSError where no file can be made.
    """
    check_is_free(place)
    if not is_url(place):
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite does not say which file it could not make, nor why; the operating system does
        path.touch()
    engine = new_engine(place)
    _upgrade(engine)
    return engine


def open_database(place: str | Path) -> Engine:
    """Return the engine of an existing annotation database; tables of an older version are brought up to date.

    Nothing is changed in what is no annotation database. Raises DataError when there is none or it is not one,
    RunError when it cannot be reached, or a version of the tables is in it that this one does not know.
    """
    name = shown_place(place)
    found = postgresql.version(str(place)) if is_url(place) else sqlite.version(Path(place))
    newest, *older = (each.revision for each in ScriptDirectory.from_config(_alembic_config()).walk_revisions())
    if found not in (newest, *older):
        raise RunError(
            f"{name}: has tables of version {found}, this steersman knows {', '.join(sorted([newest, *older]))}; "
            "use the one it was made by, or a newer one"
        )
    engine = new_engine(place)
    if found != newest:
        _upgrade(engine)
    return engine


def make_tables(connection: Connection) -> None:
    """Make the tables, or bring those of an older version up to date, in the transaction of `connection`."""
    lock_names(connection)
    command.upgrade(_alembic_config(connection), "head")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside a writing transaction; committed when the block ends well.

    Raises DatabaseBusyError when others held the database for too long; nothing is saved then.
    """
    with _explained_errors(engine):
        if engine.dialect.name == "sqlite":
            with sqlite.writing(engine) as connection:
                yield connection
        else:
            with engine.begin() as connection:
                yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one unchanging state of the database; nothing is written."""
    with _explained_errors(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def reading_in_order(engine: Engine, *tables: Table) -> Iterator[Connection]:
    """Give a connection as `reading` does; no row of `tables` will ever come to stand before the last one it sees.

    A stream of rows that goes on behind the number of its last row needs this: on PostgreSQL numbers are given before a
    transaction ends, and a row with a lower number can appear after one with a higher. So it waits until everybody who
    is adding to `tables` has ended. SQLite has one writer, which gives numbers in order.
    """
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            # the lock goes with the savepoint, the state that was seen under it stays for the whole transaction
            savepoint = connection.begin_nested()
            connection.execute(text(f"LOCK TABLE {', '.join(table.name for table in tables)} IN SHARE MODE"))
            connection.execute(select(1))
            savepoint.rollback()
        yield connection


def retrying(work: Callable[P, T]) -> Callable[P, T]:
    """Return `work` in a form that is done again, some times, when the database gave it up for another transaction.

    All that it does must happen in its transactions.
    """

    @wraps(work)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_MOST_TRIES - 1):
            with suppress(ConflictError):
                return work(*args, **kwargs)
        return work(*args, **kwargs)

    return again


def new_engine(place: str | Path) -> Engine:
    """Return the engine of whatever is or will be at `place`; nothing is looked at."""
    made = postgresql.engine(str(place)) if is_url(place) else sqlite.engine(Path(place))
    refuse_unkeepable(made)
    return made


def newest_version() -> str:
    """Return the version of the tables that this steersman makes."""
    return str(ScriptDirectory.from_config(_alembic_config()).get_current_head())


@contextmanager
def _explained_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except NoConnectionError as error:
        raise DatabaseBusyError("too many things are asked of the database at once; try again") from error
    except (OperationalError, InterfaceError) as error:
        explain = sqlite.explained if engine.dialect.name == "sqlite" else postgresql.explained
        explained = explain(error.orig, name="the database")
        if explained is None:
            raise
        raise explained from error


def _upgrade(engine: Engine) -> None:
    with writing(engine) as connection:
        make_tables(connection)


def _alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "steersman.store:migrations")
    config.attributes["connection"] = connection
    return config
