"""Start servers as people start them, wait for their first page, and tell what they cost: seconds, memory, CPU."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil
from machine import ROOT

from steersman.errors import RunError

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its first process, and the seconds from its command to its first page."""

    url: str
    process: "subprocess.Popen[bytes]"
    start_seconds: float

    def memory_bytes(self) -> int:
        """Return the resident memory of all its processes."""
        return sum(each.memory_info().rss for each in self._processes())

    def cpu_seconds(self) -> float:
        """Return the processor time that all its processes have used."""
        times = [each.cpu_times() for each in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def kill(self) -> None:
        """End it at once, as when the power goes: no handler runs."""
        with suppress(psutil.NoSuchProcess):
            for each in self._processes():
                each.kill()
        self.process.wait()

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]


def load_words() -> str:
    """Return how busy the machine is now, for a figure that was measured beside other work."""
    return f"Load of the machine before the run, in processes that want a core: {os.getloadavg()[0]:.1f}."


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def site_command(place: str | Path, *, port: int, workers: int = 1) -> list[str]:
    """Return the command that serves an annotation database."""
    command = [sys.executable, "-m", "steersman.cli.main", "annotate", "serve", str(place), "--port", str(port)]
    return command if workers == 1 else [*command, "--workers", str(workers)]


def start(
    command: Sequence[str],
    *,
    port: int,
    log: IO[bytes],
    first_page: str = "/login",
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Start a server and wait for its first page; raises RunError when there is none in time."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **(environment or {})}, start_new_session=True
    )
    server = Server(f"http://127.0.0.1:{port}", process, began)
    while not _answers(port, first_page):
        seconds = time.perf_counter() - began
        if process.poll() is not None or seconds > _START_SECONDS:
            server.kill()
            raise RunError(f"{' '.join(command)} did not give {first_page} after {seconds:.0f} s; see {log.name}")
        time.sleep(_POLL_SECONDS)
    return replace(server, start_seconds=time.perf_counter() - began)


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    first_page: str = "/login",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Give a server that ends with the block."""
    with log.open("ab") as said:
        server = start(command, port=port, log=said, first_page=first_page, environment=environment)
        try:
            yield server
        finally:
            _stop(server)


def _stop(server: Server) -> None:
    server.process.send_signal(signal.SIGINT)
    try:
        server.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def _answers(port: int, page: str) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)) as connection:
        try:
            connection.request("GET", page)
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False
