"""The manager's dashboard at a million ratings: how long a view takes while people rate, and what the server costs.

    python benchmarks/annotation_dashboard.py --write

A database with so many ratings is written into a folder (`annotation_dashboard_made.py`; `--database PLACE` takes one
that an earlier run left with `--keep`), then served as people serve it. A manager opens /manage again and again while
annotators claim and submit by the API. At the end the project is exported. Figures are of this machine in one run.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import psutil
from annotation_client import Browser
from annotation_dashboard_made import make_database, new_doors
from annotation_dashboard_rows import PROJECT
from annotation_servers import Server, free_port, running, site_command
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table, table_head, table_row

from steersman.errors import RunError
from steersman.records import ATTRIBUTES
from steersman.store.files import read_lines, write_text
from steersman.web.requests import COOKIE

PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/annotation_dashboard.py"
SECTION = """
## The manager's dashboard

One million ratings in a SQLite database, served by `steersman annotate serve`. A view is a whole page /manage with its
figures, asked for again as soon as it has come, on a connection that stays open; meanwhile annotators claim and submit
by the API at a steady pace. "First figures" is the time from the first view until every process of the server shows
figures: until then the page says that answers are being counted. Memory is that of the largest process of the server.
"""
_TARGET = f"/manage?project={PROJECT}"
_WAITS = 'id="live-wait"'
_FIRST_SECONDS = 600.0
_POLL_SECONDS = 0.2
_SAMPLE_SECONDS = 0.02
_KILO = 1024
_MEGA = 1024 * 1024
_CYCLES_PER_SECOND = 10.0


@dataclass(slots=True)
class Measured:
    """Seconds of each request, and the memory of the largest process in bytes: at rest, and at most."""

    start_seconds: float = 0.0
    first_seconds: float = 0.0
    views: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    idle_bytes: int = 0
    peak_bytes: int = 0
    export_seconds: float = 0.0
    export_bytes: int = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it where `--write` says so."""
    options = parse(sys.argv[1:] if argv is None else argv)
    with tempfile.TemporaryDirectory() as folder:
        place = options.database or (options.keep or Path(folder) / "site.sqlite")
        if options.database is None:
            make_database(place, ratings=options.ratings, annotators=options.annotators, seed=options.seed)
        measured = asyncio.run(measure(place, folder=Path(folder), options=options))
        export(place, folder=Path(folder), measured=measured)
    words = command_words("annotation_dashboard.py", options, plain=parse([]), hidden=("write", "keep", "database"))
    facts = [f"Command: `{words}`. Commit: {commit_words()}.", f"Machine: {machine_words()}. {version_words()}."]
    table = table_text(measured, options=options, facts=facts)
    print(table)
    if options.write:
        write_text(PAGE, page_with_table("\n".join(read_lines(PAGE)), table, name=NAME, section=SECTION))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--annotators", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    parser.add_argument("--seconds", type=float, default=120.0, help="of views")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", type=Path, help="a database that an earlier run kept")
    parser.add_argument("--keep", type=Path, help="where to keep the database")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


async def measure(place: Path, *, folder: Path, options: argparse.Namespace) -> Measured:
    """Return what a server over the database at `place` does."""
    measured = Measured()
    session, tokens = new_doors(place)
    port = free_port()
    command = site_command(place, port=port, workers=options.workers)
    with running(command, port=port, log=folder / "server.log") as server:
        measured.start_seconds = server.start_seconds
        measured.idle_bytes = max(_memory(server, "VmRSS"))
        measured.first_seconds = await first_figures(server.url, session=session, processes=options.workers)
        end = time.perf_counter() + options.seconds
        pause = len(tokens) / _CYCLES_PER_SECOND
        await asyncio.gather(
            view(server.url, session=session, until=end, measured=measured),
            *(rate(server.url, token, until=end, pause=pause, measured=measured) for token in tokens),
        )
        measured.peak_bytes = max(_memory(server, "VmHWM"))
    return measured


async def first_figures(url: str, *, session: str, processes: int) -> float:
    """Return after how many seconds each of the processes shows figures; they take connections in turns."""
    began = time.perf_counter()
    ready = 0
    while ready < 8 * processes:
        browser = _manager(url, session)
        reply = await browser.get(_TARGET)
        browser.close()
        ready = 0 if _WAITS in reply.text else ready + 1
        if reply.status != 200 or time.perf_counter() - began > _FIRST_SECONDS:
            raise RunError(f"/manage gave {reply.status} and no figures")
        if not ready:
            await asyncio.sleep(_POLL_SECONDS)
            last = time.perf_counter()
    return last - began


async def view(url: str, *, session: str, until: float, measured: Measured) -> None:
    """Open the dashboard again and again."""
    browser = _manager(url, session)
    while time.perf_counter() < until:
        began = time.perf_counter()
        reply = await browser.get(_TARGET)
        measured.views.append(time.perf_counter() - began)
        if reply.status != 200 or _WAITS in reply.text:
            raise RunError(f"/manage gave {reply.status} without figures")
        # a page is looked at before it is loaded again
        await asyncio.sleep(_POLL_SECONDS)
    browser.close()


async def rate(url: str, token: str, *, until: float, pause: float, measured: Measured) -> None:
    """Claim and submit at a steady pace."""
    browser = Browser(url, headers={"Authorization": f"Bearer {token}"})
    due = time.perf_counter()
    while due < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += pause
        began = time.perf_counter()
        reply = await browser.post_json("/api/v1/claim", {})
        claimed = time.perf_counter()
        measured.claims.append(claimed - began)
        if reply.status != 200:
            raise RunError(f"a claim gave {reply.status}: {reply.text[:200]}")
        task = cast("dict[str, dict[str, object] | None]", reply.json())["task"]
        if task is None:
            raise RunError("there was nothing left to rate; make a larger database")
        scores = dict.fromkeys(ATTRIBUTES, 3)
        body = {"lease": task["lease"], "responses": [scores, scores]}
        reply = await browser.post_json("/api/v1/submit", body)
        measured.submits.append(time.perf_counter() - claimed)
        if reply.status != 200:
            raise RunError(f"a submit gave {reply.status}: {reply.text[:200]}")
    browser.close()


def export(place: Path, *, folder: Path, measured: Measured) -> None:
    """Export the project by its command."""
    out = folder / "export" / "ratings.jsonl"
    command = [sys.executable, "-m", "steersman.cli.main", "annotate", "export", str(place), "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        # what the system says at the end counts the memory of the process that started it
        measured.export_bytes = max([measured.export_bytes, *_own_memory(process.pid, "VmHWM")])
        time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise RunError(f"the export ended with {process.returncode}")
    measured.export_seconds = time.perf_counter() - began


def table_text(measured: Measured, *, options: argparse.Namespace, facts: Sequence[str]) -> str:
    """Return the figures as Markdown."""
    rows = [
        ("start of the server, s", f"{measured.start_seconds:.1f}"),
        ("first figures after the first view, s", f"{measured.first_seconds:.1f}"),
        ("a view, p50 / p99 / longest, ms", _milliseconds(measured.views)),
        ("views", str(len(measured.views))),
        ("claim meanwhile, p50 / p99 / longest, ms", _milliseconds(measured.claims)),
        ("submit meanwhile, p50 / p99 / longest, ms", _milliseconds(measured.submits)),
        ("claims and submits, cycles/s", f"{len(measured.submits) / options.seconds:.1f}"),
        ("memory after the start, MB", f"{measured.idle_bytes / _MEGA:.0f}"),
        ("largest memory, MB", f"{measured.peak_bytes / _MEGA:.0f}"),
        ("export of the ratings, s", f"{measured.export_seconds:.1f}"),
        ("largest memory of the export, MB", f"{measured.export_bytes / _MEGA:.0f}"),
    ]
    head = table_head("what", f"{options.ratings:,} ratings, {options.workers} processes")
    return "\n".join([*head, *(table_row(*row) for row in rows), "", *(f"- {fact}" for fact in facts)])


def _milliseconds(seconds: Sequence[float]) -> str:
    middle, high, longest = np.quantile(np.asarray(seconds) * 1000, (0.5, 0.99, 1.0))
    return f"{middle:.0f} / {high:.0f} / {longest:.0f}"


def _manager(url: str, session: str) -> Browser:
    browser = Browser(url)
    browser.cookies[COOKIE] = session
    return browser


def _memory(server: Server, name: str) -> list[int]:
    """Return a figure of memory of each process of a server, in bytes."""
    first = psutil.Process(server.process.pid)
    return [size for each in (first, *first.children(recursive=True)) for size in _own_memory(each.pid, name)]


def _own_memory(pid: int, name: str) -> list[int]:
    """Return a figure of memory of a process in bytes; none for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) * _KILO for line in lines if line.startswith(f"{name}:")]


if __name__ == "__main__":
    main()
