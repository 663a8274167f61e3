"""Annotation databases for tests: each in a SQLite file and on a real PostgreSQL server.

A test file takes them by `pytest_plugins = ("database_fixtures",)`. A test that uses `place` or `engine` runs twice.
Each process of pytest starts one server when it first needs one; where none can be started, those tests skip.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from database_work import fill, new_task
from postgres_server import NoServerError, PostgresServer, postgres_server
from sqlalchemy import Engine

from steersman.store.database.connection import create_database, open_database

KINDS = ("sqlite", "postgresql")
_TEMPLATE = "made"
_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server with one empty annotation database, from which others are copied."""
    try:
        running = postgres_server()
        found = running.__enter__()
    except NoServerError as error:
        pytest.skip(str(error))
    try:
        create_database(found.make_database(_TEMPLATE)).dispose()
        yield found
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty annotation database, from which others are copied."""
    path = tmp_path_factory.mktemp("databases") / "made.sqlite"
    create_database(path).dispose()
    return path


@pytest.fixture
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return a function that gives a free place of a kind: the path of no file, or the URL of an empty database."""

    def free(kind: str) -> str:
        if kind == "sqlite":
            return str(tmp_path / f"site-{next(_numbers)}.sqlite")
        server: PostgresServer = request.getfixturevalue("server")
        return server.make_database(f"test{next(_numbers)}")

    return free


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of database; a test that uses it runs with both."""
    return str(request.param)


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the place of an annotation database without projects and people."""
    if kind == "sqlite":
        path = tmp_path / "site.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return str(path)
    server: PostgresServer = request.getfixturevalue("server")
    name = f"test{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy".encode())
    return server.url(name)


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    """Return the engine of an annotation database without projects and people."""
    opened = open_database(place)
    yield opened
    opened.dispose()


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Return the engine of a database with the project `p`, tasks `t1` and `t2`, and six people who work in it."""
    fill(engine, tasks=[new_task("t1"), new_task("t2")])
    return engine
