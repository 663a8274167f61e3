"""Two servers of one annotation database, one of which is killed every few seconds and started again."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil
from annotation_servers import Server, free_port, site_command, start
from postgres_server import PostgresServer, postgres_server

# both at once, at times
_BOTH = 0.2
_BACKEND = 0.3
_DATABASE = "annotation"
# costs next to nothing
_FIRST_PAGE = "/static/site.css"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is, and the pids of its server's own processes that serve connections: none for a file."""

    database: str
    backends: Callable[[], list[int]]


@dataclass(frozen=True, slots=True)
class Times:
    """Mean seconds between kills, and until a killed server is started."""

    between: float
    down: float


@dataclass(slots=True)
class Killer:
    """Starts, kills and starts servers again until it is cancelled; what it did is in `counts`."""

    place: Place
    log: IO[bytes]
    times: Times
    rng: random.Random
    ports: Sequence[int] = field(default_factory=lambda: [free_port(), free_port()])
    counts: Counter[str] = field(default_factory=Counter)
    _servers: dict[int, Server] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """Return the addresses of the servers, which they keep."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def start(self) -> None:
        """Start all servers."""
        for port in self.ports:
            await self._start(port)

    async def work(self) -> None:
        """Kill at random moments, for ever."""
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.times.between))
            if self.rng.random() < _BACKEND:
                self._kill_backend()
            victims = [*self.ports] if self.rng.random() < _BOTH else [self.rng.choice(self.ports)]
            for port in victims:
                self._servers.pop(port).kill()
                self.counts["killed"] += 1
            await asyncio.sleep(self.rng.expovariate(1 / self.times.down))
            for port in victims:
                await self._start(port)

    def end(self) -> None:
        """End all servers."""
        for server in self._servers.values():
            server.kill()
        self._servers.clear()

    async def _start(self, port: int) -> None:
        command = site_command(self.place.database, port=port)
        thread = asyncio.to_thread(start, command, port=port, log=self.log, first_page=_FIRST_PAGE)
        starting = asyncio.ensure_future(thread)
        try:
            await asyncio.shield(starting)
        finally:
            # also when this is cancelled: a thread goes on, and its server must be ended
            self._servers[port] = await starting

    def _kill_backend(self) -> None:
        found = self.place.backends()
        if found:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(self.rng.choice(found)).kill()
                self.counts["backends killed"] += 1


@contextmanager
def sqlite_place(folder: Path) -> Iterator[Place]:
    """Give the path of a SQLite file that is not there yet."""
    yield Place(str(folder / "site.sqlite"), list)


@contextmanager
def postgresql_place(_folder: Path) -> Iterator[Place]:
    """Give the URL of an empty database on a server that ends with the block."""
    with postgres_server() as server:
        yield Place(server.make_database(_DATABASE), lambda: _backends(server))


def _backends(server: PostgresServer) -> list[int]:
    first = (server.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
    return [each.pid for each in psutil.Process(int(first)).children() if _serves(each)]


def _serves(process: psutil.Process) -> bool:
    try:
        # such as "postgres: steersman annotation [local] idle"
        return _DATABASE in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
