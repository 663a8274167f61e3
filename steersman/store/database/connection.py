"""Make and open an annotation database, and run transactions on it: a SQLite file, or PostgreSQL by its URL.

A writing transaction sees nothing change under what it has read and locked: SQLite takes the write lock at its start,
PostgreSQL locks the rows that `store.database.leases` and `answers` ask for. What was acknowledged is on disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from steersman.errors import RunError
from steersman.store.database import postgresql, sqlite

# What callers outside the store hold and hand back; only the store speaks SQL to it.
Database = Engine
Transaction = Connection


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
    engine = _engine(place)
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
    engine = _engine(place)
    if found != newest:
        _upgrade(engine)
    return engine


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
def _explained_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        explain = sqlite.explained if engine.dialect.name == "sqlite" else postgresql.explained
        explained = explain(error.orig, name="the database")
        if explained is None:
            raise
        raise explained from error


def _engine(place: str | Path) -> Engine:
    return postgresql.engine(str(place)) if is_url(place) else sqlite.engine(Path(place))


def _upgrade(engine: Engine) -> None:
    with writing(engine) as connection:
        command.upgrade(_alembic_config(connection), "head")


def _alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "steersman.store:migrations")
    config.attributes["connection"] = connection
    return config
