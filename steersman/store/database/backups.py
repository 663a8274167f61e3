"""Back an annotation database up into one SQLite file while the site runs, and restore it at a free place.

A backup is itself an annotation database, of one moment. What was copied is read again and compared before the file
gets its name, or the transaction on a server ends: a place holds a whole copy or nothing.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from steersman.errors import DataError, RunError
from steersman.store.database import sqlite
from steersman.store.database.connection import (
    check_is_free,
    create_database,
    is_url,
    make_tables,
    new_engine,
    newest_version,
    open_database,
    reading,
    shown_place,
    writing,
)
from steersman.store.database.copying import Contents, contents, copy_rows, differing
from steersman.store.files import renamed_when_whole


def back_up(place: str | Path, *, out: Path) -> dict[str, Contents]:
    """Write the database at `place` as it is at one moment into the new file `out`, and return what its tables hold.

    Raises DataError when there is no annotation database, RunError when `out` exists or the copy is not the same.
    """
    sqlite.check_is_free(out)
    with _closed_after(open_database(place)) as source, renamed_when_whole(out) as temporary:
        return _to_file(source, temporary, name=str(out))


def restore(file: Path, *, place: str | Path) -> dict[str, Contents]:
    """Copy the backup `file` to a place that is free, and return what its tables hold; the file is only read.

    Raises DataError when it is no annotation database or damaged, RunError when it is of another version, the place is
    not free or the copy is not the same.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such backup; check the path")
    found = sqlite.version(file)
    if found != newest_version():
        raise RunError(
            f"{file}: has tables of version {found}, this steersman has {newest_version()}; open a copy of it with "
            "`steersman annotate serve`, which brings older ones up to date, and restore that"
        )
    check_is_free(place)
    with _explained_damage(file), _closed_after(sqlite.looking_engine(file)) as source:
        if is_url(place):
            return _to_server(source, str(place))
        with renamed_when_whole(Path(place)) as temporary:
            return _to_file(source, temporary, name=str(place))


def _to_file(source: Engine, path: Path, *, name: str) -> dict[str, Contents]:
    if source.dialect.name == "sqlite":
        with reading(source) as connection:
            # the state that is counted is the state that is copied
            copied = contents(connection)
            with _explained_refusal(name):
                _copy_pages(connection, path)
    else:
        with _closed_after(create_database(path)) as target, reading(source) as rows, writing(target) as connection:
            copied = copy_rows(rows, connection)
    with _explained_refusal(name):
        _close_file(path, name=name)
    with _closed_after(sqlite.looking_engine(path)) as copy, reading(copy) as connection:
        _check_same(copied, contents(connection), name=name)
    return copied


def _to_server(source: Engine, url: str) -> dict[str, Contents]:
    with _closed_after(new_engine(url)) as target, reading(source) as rows, writing(target) as connection:
        make_tables(connection)
        copied = copy_rows(rows, connection)
        _check_same(copied, contents(connection), name=shown_place(url))
    return copied


def _copy_pages(connection: Connection, path: Path) -> None:
    source = cast(sqlite3.Connection, connection.connection.driver_connection)
    with closing(sqlite3.connect(path)) as target:
        source.backup(target)


def _close_file(path: Path, *, name: str) -> None:
    """Make one file of a new database, without a log beside it, and look through all its pages."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise RunError(f"{name}: the copy is damaged, as the database may be ({found}); nothing was kept")


def _check_same(copied: Mapping[str, Contents], found: Mapping[str, Contents], *, name: str) -> None:
    tables = differing(copied, found)
    if tables:
        raise RunError(f"{name}: the copy is not the same in {', '.join(tables)}; nothing was kept, try again")


@contextmanager
def _closed_after(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _explained_refusal(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        explained = sqlite.explained(error, name=name)
        if explained is None:
            raise
        raise explained from error


@contextmanager
def _explained_damage(file: Path) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, DatabaseError) else error
        raise DataError(f"{file}: cannot be restored, it is damaged ({cause}); use another backup") from error
