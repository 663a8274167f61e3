"""An annotation database on a PostgreSQL server, by a URL such as postgresql://user:password@host/name.

Transactions run at READ COMMITTED and lock what they decide on by `SELECT ... FOR UPDATE`; a commit waits for the
server's disk (`synchronous_commit` stays on).
"""

from importlib.util import find_spec

from sqlalchemy import URL, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from steersman.errors import ConfigError, DataError, PluginError, RunError
from steersman.store.database.faults import ConflictError, DatabaseBusyError

_POOL_SIZE = 8
_MAX_OVERFLOW = 40
_CONNECT_TIMEOUT_SECONDS = 10
_LOCK_TIMEOUT = "30s"
_OWN = {"alembic_version", "tasks", "responses", "assignments", "ratings"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_GIVEN_UP = {"40001", "40P01"}
# a lock that did not come in time, and a server with too many connections
_BUSY = {"55P03", "53300"}
_DISK_FULL = "53100"


def without_password(url: str) -> str:
    """Return `url` with stars for the password; raises ConfigError when it is no URL of PostgreSQL."""
    return _url(url).render_as_string(hide_password=True).replace("postgresql+psycopg://", "postgresql://", 1)


def check_is_free(url: str) -> None:
    """Raise RunError when the database at `url` has tables already."""
    tables = _tables(url)
    if tables:
        raise RunError(
            f"{without_password(url)}: holds tables already ({', '.join(sorted(tables)[:3])}); give an empty database"
        )


def version(url: str) -> str:
    """Return the version of the tables in the database at `url`.

    Raises DataError when it is no annotation database, RunError when it cannot be reached.
    """
    if not _tables(url) >= _OWN:
        raise DataError(f"{without_password(url)}: not an annotation database; make one with `steersman annotate init`")
    found = engine(url)
    try:
        with found.connect() as connection:
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    finally:
        found.dispose()


def engine(url: str) -> Engine:
    """Return the engine of the database at `url`."""
    return create_engine(
        _url(url),
        pool_size=_POOL_SIZE,
        max_overflow=_MAX_OVERFLOW,
        # the values of a statement that fails do not belong into a log
        hide_parameters=True,
        # whatever the server's own default is: the locks are chosen for this one
        isolation_level="READ COMMITTED",
        # a connection that the server closed meanwhile is replaced instead of failing a submit
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "options": f"-c lock_timeout={_LOCK_TIMEOUT} -c timezone=UTC",
        },
    )


def explained(error: BaseException | None, *, name: str) -> RunError | None:
    """Return what an error of the server means to a user, or None when it means a fault of ours."""
    state = getattr(error, "sqlstate", None)
    if state in _GIVEN_UP:
        return ConflictError(f"{name} is busy and nothing was saved; try again")
    if state in _BUSY:
        return DatabaseBusyError(f"{name} is busy and nothing was saved; try again")
    if state == _DISK_FULL:
        return RunError("no space left on the server's disk and nothing was saved; free some space and try again")
    # 08: the connection broke; 57: the server is shutting down; none: it was never there
    if state is None or state.startswith(("08", "57")):
        return DatabaseBusyError(f"{name} cannot be reached; nothing is known to be saved, try again")
    return None


def _tables(url: str) -> set[str]:
    found = engine(url)
    try:
        with found.connect() as connection:
            return set(inspect(connection).get_table_names())
    except OperationalError as error:
        cause = " ".join(str(error.orig).split())
        raise RunError(f"{without_password(url)}: cannot be reached ({cause}); is the server running?") from error
    except DBAPIError as error:
        raise RunError(f"{without_password(url)}: cannot be read ({error.orig})") from error
    finally:
        found.dispose()


def _url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("the database is neither a path nor a URL such as postgresql://user@host/name") from error
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(f"a database of kind {parsed.drivername} is not known; give a path or a postgresql:// URL")
    if find_spec("psycopg") is None:
        raise PluginError("PostgreSQL needs psycopg: pip install 'steersman[postgres]'")
    return parsed.set(drivername="postgresql+psycopg")
