"""The site in several processes over one socket, as the command line starts it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from site_tables import annotators_of, new_site

from steersman.client import AnnotationClient
from steersman.errors import EXIT_USER_INPUT

pytestmark = pytest.mark.slow

SERVE = (sys.executable, "-m", "steersman.cli.main", "annotate", "serve")
PATIENCE_SECONDS = 180.0


@contextmanager
def serving(place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a site in two processes on a free port; give the process that started them and the address."""
    command = [*SERVE, str(place), "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            found = re.search(r"http://\S+:\d+", process.stderr.readline())
            assert found is not None
            wait_for(lambda: answers(found[0]))
            yield process, found[0]
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/openapi.json", timeout=60).is_success
    except httpx.TransportError:
        return False


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(process.pid).children():
        # one that was just killed has no command line any more
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(each.cmdline()):
                found.append(each)
    return found


def test_a_process_that_is_killed_is_replaced_and_all_end_together(tmp_path: Path) -> None:
    token = annotators_of(new_site(tmp_path))[0]["token"]
    with serving(tmp_path / "site.sqlite") as (process, url):
        before = workers(process)
        assert len(before) == 2
        before[0].kill()
        wait_for(lambda: len(workers(process)) == 2 and before[0] not in workers(process))
        with AnnotationClient(url, token) as client:
            assert client.claim() is not None
        last = workers(process)
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        assert not any(each.is_running() for each in last)


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    new_site(tmp_path)
    with serving(tmp_path / "site.sqlite") as (process, _):
        left = workers(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
        wait_for(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in left))


def test_what_keeps_processes_from_starting_is_told_once(tmp_path: Path) -> None:
    command = [*SERVE, str(tmp_path / "none.db"), "--port", "0", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == EXIT_USER_INPUT
    assert done.stderr.count("no such database") == 1
    assert "Traceback" not in done.stderr
