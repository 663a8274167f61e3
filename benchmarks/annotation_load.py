"""How long 200 annotators wait at our annotation site, at a steady rate of cycles of claim and submit.

    python benchmarks/annotation_load.py
    python benchmarks/annotation_load.py --workers 2 --rates 50 100 150 --seconds 30

Each annotator is logged in and works by the clock: a cycle loads the rating page at its time, thinks, and sends the
form. Times do not wait for the server: where it is late, so is the next page, and the wait counts from when that page
was due. All annotators are one process. The first rate is held for `--seconds`, each further one for a quarter of
it. `--write` puts the table into docs/results.md.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotation_client import Browser
from annotation_cycles import CycleError, Visit, claim_page, submit_page
from annotation_load_table import NAME, SECTION, Step, table_text
from annotation_made import Person, made_tasks
from annotation_ours import make_own_site, session_cookies
from annotation_servers import Server, free_port, load_words, running, site_command
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table

from steersman.records import ATTRIBUTES
from steersman.store.files import read_lines, write_text

PAGE = ROOT / "docs" / "results.md"
_LATER_SHARE = 1 / 4
_WARM_UP_SECONDS = 5.0
_LOGINS_AT_ONCE = 4
# shares of the time that an annotator has for a cycle: the page is loaded before the first is over, then looked at
_LATEST_START = 0.4
_THINKING = (0.2, 0.5)
_NUM_SCORES = 2 * len(ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Plan:
    """A rate to hold: all annotators together begin so many cycles per second, for so long after the warm-up."""

    rate: float
    seconds: float


@dataclass(slots=True)
class Waits:
    """What annotators waited for in the window, in seconds, and what went wrong."""

    begin: float
    end: float
    claims: list[float]
    submits: list[float]
    errors: list[str]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it where `--write` says so."""
    options = parse(sys.argv[1:] if argv is None else argv)
    load = load_words()
    plans = [Plan(rate, options.seconds * (_LATER_SHARE if index else 1.0)) for index, rate in enumerate(options.rates)]
    steps = [step for workers in options.workers for step in measured(plans, workers=workers, options=options)]
    words = command_words("annotation_load.py", options, plain=parse([]), hidden=("write",))
    facts = [f"Command: `{words}`. Commit: {commit_words()}.", f"Machine: {machine_words()}. {version_words()}.", load]
    table = table_text(steps, people=options.annotators, facts=facts)
    print(table)
    if options.write:
        write_text(PAGE, page_with_table("\n".join(read_lines(PAGE)), table, name=NAME, section=SECTION))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotators", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes of the server")
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0, 75.0, 100.0, 125.0, 150.0], help="cycles/s")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the first rate, after the warm-up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def measured(plans: Sequence[Plan], *, workers: int, options: argparse.Namespace) -> Iterator[Step]:
    """Yield the figures of a server with so many processes at each rate, until one is too much for it."""
    num_cycles = sum(plan.rate * (plan.seconds + _WARM_UP_SECONDS) for plan in plans)
    tasks = made_tasks(options.annotators + round(num_cycles / 3), seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "site.sqlite"
        people = make_own_site(place, tasks, people=options.annotators)
        port = free_port()
        with running(site_command(place, port=port, workers=workers), port=port, log=Path(folder) / "log") as server:
            visits = asyncio.run(_logged_in(server.url, people))
            for plan in plans:
                step = asyncio.run(_held(server, visits, plan, workers=workers, seed=options.seed))
                yield step
                if not step.is_kept_up:
                    break


async def _logged_in(url: str, people: Sequence[Person]) -> list[Visit]:
    turns = asyncio.Semaphore(_LOGINS_AT_ONCE)

    async def log_in(person: Person) -> Visit:
        async with turns:
            return Visit(url, "pages", cookies=await session_cookies(url, person))

    return list(await asyncio.gather(*(log_in(person) for person in people)))


async def _held(server: Server, visits: Sequence[Visit], plan: Plan, *, workers: int, seed: int) -> Step:
    rng = random.Random(seed)
    start = time.perf_counter() + 1
    waits = Waits(start + _WARM_UP_SECONDS, start + _WARM_UP_SECONDS + plan.seconds, [], [], [])
    between = len(visits) / plan.rate
    working = [
        asyncio.create_task(
            # each with an offset, so that cycles begin evenly
            _work(visit, waits, start=start + index / plan.rate, between=between, rng=random.Random(rng.random()))
        )
        for index, visit in enumerate(visits)
    ]
    await asyncio.sleep(waits.begin - time.perf_counter())
    cpu, own_cpu = server.cpu_seconds(), time.process_time()
    await asyncio.sleep(waits.end - time.perf_counter())
    cpu, own_cpu = server.cpu_seconds() - cpu, time.process_time() - own_cpu
    memory_bytes = server.memory_bytes()
    await asyncio.gather(*working)
    return Step(
        workers=workers,
        rate=plan.rate,
        seconds=plan.seconds,
        claims=waits.claims,
        submits=waits.submits,
        errors=waits.errors,
        start_seconds=server.start_seconds,
        memory_bytes=memory_bytes,
        server_cpu_seconds=cpu,
        client_cpu_seconds=own_cpu,
    )


async def _work(visit: Visit, waits: Waits, *, start: float, between: float, rng: random.Random) -> None:
    """Do one cycle after the other, each in its own stretch of `between` seconds."""
    browser = visit.browser()
    stretch = start
    while stretch < waits.end:
        due = stretch + rng.uniform(0, _LATEST_START) * between
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if due < waits.end:
            await _cycle(browser, visit, waits, due=due, thinking=rng.uniform(*_THINKING) * between)
        stretch += between
    browser.close()


async def _cycle(browser: Browser, visit: Visit, waits: Waits, *, due: float, thinking: float) -> None:
    try:
        fields = await claim_page(browser, visit)
        _note(waits, waits.claims, since=due)
        await asyncio.sleep(thinking)
        sent = time.perf_counter()
        await submit_page(browser, visit, fields, [3] * _NUM_SCORES)
        _note(waits, waits.submits, since=sent)
    except (CycleError, OSError) as error:
        waits.errors.append(str(error))


def _note(waits: Waits, seconds: list[float], *, since: float) -> None:
    """Keep a wait that began inside the window, however late it ended."""
    if waits.begin <= since < waits.end:
        seconds.append(time.perf_counter() - since)


if __name__ == "__main__":
    main()
