"""Cycles of claim and submit per second at our annotation site and at Label Studio, both with login and pages.

    python -m venv PLACE && PLACE/bin/pip install label-studio==1.23.2
    python benchmarks/annotation_site.py --label-studio-python PLACE/bin/python

One run measures both, one after the other on the same machine: the same tasks (a prompt, two responses, ten ratings),
both on SQLite, each started by its own command, and clients that are processes of their own, each logged in as another
annotator. Without `--label-studio-python` only our site is measured. `--write` puts the table into docs/results.md.
"""

import argparse
import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotation_cycles import Cycle, CycleError, Visit, cycle
from annotation_label_studio import label_studio_command, label_studio_environment, over_assigned, set_up
from annotation_made import MadeTask, made_tasks
from annotation_ours import log_in, make_own_site, own_over_assigned
from annotation_servers import Server, free_port, load_words, running, site_command
from annotation_site_table import NAME, SECTION, Case, table_text
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table

from steersman.store.files import read_lines, write_text

PAGE = ROOT / "docs" / "results.md"
OVERLAP = 3
_SETTLING_SECONDS = 2.0
_SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Window:
    """When all clients begin, by the clock of the machine, and for how long they warm up and are measured."""

    begin: float
    warm_up_seconds: float
    seconds: float


@dataclass(slots=True)
class Worked:
    """What one client measured, and the processor time it took for it."""

    cycles: list[Cycle] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it where `--write` says so."""
    options = parse(sys.argv[1:] if argv is None else argv)
    load = load_words()
    tasks = made_tasks(options.tasks, seed=options.seed)
    cases = list(own_cases(tasks, options=options))
    if options.label_studio_python:
        cases += label_studio_cases(tasks, options=options)
    words = command_words("annotation_site.py", options, plain=parse([]), hidden=("write",))
    facts = [f"Command: `{words}`. Commit: {commit_words()}.", f"Machine: {machine_words()}. {version_words()}.", load]
    table = table_text(cases, facts=facts)
    print(table)
    if options.write:
        write_text(PAGE, page_with_table("\n".join(read_lines(PAGE)), table, name=NAME, section=SECTION))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label-studio-python", type=Path, help="the interpreter of its virtual environment")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each case, after the warm-up")
    parser.add_argument("--warm-up-seconds", type=float, default=5.0)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes of our server")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def own_cases(tasks: Sequence[MadeTask], *, options: argparse.Namespace) -> Iterator[Case]:
    """Yield our site's cases: pages and API, with each number of processes, each on a database of its own."""
    for workers in options.workers:
        for way in ("pages", "api"):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder) / "site.sqlite"
                people = make_own_site(place, tasks, people=options.clients)
                port = free_port()
                command = site_command(place, port=port, workers=workers)
                with running(command, port=port, log=Path(folder) / "log") as server:
                    visits = [log_in(server.url, person, way=way) for person in people]
                    case = measured(server, visits, options=options)
                over, touched = own_over_assigned(place)
            yield replace(
                case, server=f"Steersman, {workers} process{'es' * (workers > 1)}", over=over, touched=touched
            )


def label_studio_cases(tasks: Sequence[MadeTask], *, options: argparse.Namespace) -> Iterator[Case]:
    """Yield Label Studio's cases: pages and API, on one database with a project for each."""
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        command = label_studio_command(options.label_studio_python, folder=folder, port=port)
        environment = label_studio_environment()
        for way in ("label-studio pages", "label-studio api"):
            # the first start makes the database: what is measured is a start like every later one
            with running(
                command, port=port, log=folder / "log", first_page="/user/login/", environment=environment
            ) as made:
                visits = set_up(made.url, tasks, people=options.clients, overlap=OVERLAP, name=way.split()[-1])
            with running(
                command, port=port, log=folder / "log", first_page="/user/login/", environment=environment
            ) as server:
                case = measured(server, [replace(each, way=way) for each in visits], options=options)
            over, touched = over_assigned(folder, project=visits[0].project, overlap=OVERLAP)
            yield replace(case, server="Label Studio", over=over, touched=touched)


def measured(server: Server, visits: Sequence[Visit], *, options: argparse.Namespace) -> Case:
    """Return the figures of one server at work, each visit from a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(visits), mp_context=context) as pool:
        # all processes are there before the first begins
        list(pool.map(time.sleep, [_SETTLING_SECONDS] * len(visits)))
        window = Window(time.time() + 1, options.warm_up_seconds, options.seconds)
        running_clients = [pool.submit(worked, each, window, seed=seed) for seed, each in enumerate(visits)]
        time.sleep(max(0.0, window.begin + window.warm_up_seconds - time.time()))
        before = server.cpu_seconds()
        time.sleep(max(0.0, window.begin + window.warm_up_seconds + window.seconds - time.time()))
        cpu_seconds = server.cpu_seconds() - before
        memory_bytes = server.memory_bytes()
        found = [each.result() for each in running_clients]
    for error in Counter(error for client in found for error in client.errors).most_common(_SHOWN_ERRORS):
        print(f"{error[1]} times: {error[0]}", file=sys.stderr)
    return Case(
        server="",
        way=visits[0].way.split()[-1],
        seconds=options.seconds,
        cycles=[each for client in found for each in client.cycles],
        errors=[each for client in found for each in client.errors],
        start_seconds=server.start_seconds,
        memory_bytes=memory_bytes,
        server_cpu_seconds=cpu_seconds,
        client_cpu_seconds=sum(client.cpu_seconds for client in found),
    )


def worked(visit: Visit, window: Window, *, seed: int) -> Worked:
    """Return what one client measured; it works until the window is over."""
    return asyncio.run(_worked(visit, window, rng=random.Random(seed)))


async def _worked(visit: Visit, window: Window, *, rng: random.Random) -> Worked:
    found = Worked()
    browser = visit.browser()
    await asyncio.sleep(max(0.0, window.begin - time.time()))
    start = time.perf_counter() + window.warm_up_seconds
    cpu = None
    while (now := time.perf_counter()) < start + window.seconds:
        if cpu is None and now >= start:
            cpu = time.process_time()
        try:
            done = await cycle(browser, visit, rng=rng)
        except (CycleError, OSError) as error:
            found.errors.append(str(error))
            continue
        # a cycle counts when it ends inside the window
        if start <= time.perf_counter() < start + window.seconds:
            found.cycles.append(done)
    found.cpu_seconds = time.process_time() - (cpu or 0.0)
    browser.close()
    return found


if __name__ == "__main__":
    main()
