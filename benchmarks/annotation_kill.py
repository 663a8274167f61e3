"""Kill servers of one annotation database at random moments while annotators work, and look for anything lost.

    python benchmarks/annotation_kill.py --cycles 2000
    python benchmarks/annotation_kill.py --cycles 100000 --databases sqlite

Two `steersman annotate serve` processes share a database, a SQLite file or a PostgreSQL server of the run's own; every
few seconds one of them gets SIGKILL and is started again, and on PostgreSQL at times a process of the database too. At
the end every acknowledged answer must be in the database exactly once, no task may have too many annotators or one of
them twice, every task must be finished, and the audit log must tell all of it. Exit code 1 when anything is wrong.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from annotation_invariants import all_faults
from annotation_kill_table import NAME, SECTION, Run, table_text
from annotation_killer import Killer, Place, Times, postgresql_place, sqlite_place
from annotation_made import made_tasks, make_site
from annotation_raters import Habits, Ledger, Rater
from annotation_servers import load_words
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table
from sqlalchemy import text

from steersman.store.database.connection import open_database, reading
from steersman.store.files import read_lines, write_text

PAGE = ROOT / "docs" / "results.md"
_PLACES = {"sqlite": sqlite_place, "postgresql": postgresql_place}
# about so many with these scores and habits
_ANSWERS_PER_TASK = 4.5
_STUCK_SECONDS = 60.0
_SHOWN_FAULTS = 20
_EVENTS = ("lease.expired", "answer.undone", "task.skipped")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table and the faults, and return 1 when there are any."""
    options = parse(sys.argv[1:] if argv is None else argv)
    load = load_words()
    runs = [run_on(name, options=options) for name in options.databases]
    words = command_words("annotation_kill.py", options, plain=parse([]), hidden=("write",))
    facts = [f"Command: `{words}`. Commit: {commit_words()}.", f"Machine: {machine_words()}. {version_words()}.", load]
    table = table_text(runs, facts=facts)
    print(table)
    if options.write:
        write_text(PAGE, page_with_table("\n".join(read_lines(PAGE)), table, name=NAME, section=SECTION))
    return int(any(run.faults for run in runs))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=2000, help="answers to be given, about")
    parser.add_argument("--databases", nargs="+", choices=[*_PLACES], default=[*_PLACES])
    parser.add_argument("--annotators", type=int, default=24)
    parser.add_argument("--kill-seconds", type=float, default=5.0, help="mean time between kills")
    parser.add_argument("--down-seconds", type=float, default=0.5, help="mean time until a killed server is started")
    parser.add_argument("--lease-seconds", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def run_on(name: str, *, options: argparse.Namespace) -> Run:
    """Return what became of a run on one kind of database; its faults are told at once."""
    with tempfile.TemporaryDirectory() as place, _PLACES[name](Path(place)) as database:
        run = asyncio.run(_run(name, database, folder=Path(place), options=options))
    for fault in run.faults[:_SHOWN_FAULTS]:
        print(f"{name}: {fault}", file=sys.stderr)
    return run


async def _run(name: str, place: Place, *, folder: Path, options: argparse.Namespace) -> Run:
    rng = random.Random(options.seed)
    settings = {"lease": {"minutes": options.lease_seconds / 60}, "gold": {"share": 0.0}}
    tasks = made_tasks(max(1, round(options.cycles / _ANSWERS_PER_TASK)), seed=options.seed)
    people = make_site(place.database, tasks, people=options.annotators, settings=settings)
    ledger = Ledger()
    with (folder / "servers.log").open("ab") as log:
        killer = Killer(place, log, Times(options.kill_seconds, options.down_seconds), rng)
        habits = Habits(pause_seconds=1.5 * options.lease_seconds)
        raters = [Rater(each, killer.urls, ledger, habits, random.Random(rng.random())) for each in people]
        try:
            await killer.start()
            began = time.perf_counter()
            await _worked(raters, killer, ledger)
            seconds = time.perf_counter() - began
        finally:
            killer.end()
    found = _look(place, ledger, now=datetime.now(UTC))
    return Run(name, seconds, ledger.counts + killer.counts + found.counts, [*ledger.faults, *found.faults])


async def _worked(raters: Sequence[Rater], killer: Killer, ledger: Ledger) -> None:
    """Let all annotators work until they end, the killer fails, or nothing moves any more."""
    working = asyncio.create_task(_all_work(raters))
    killing, watching = asyncio.create_task(killer.work()), asyncio.create_task(_stuck(ledger))
    await asyncio.wait((working, killing, watching), return_when=asyncio.FIRST_COMPLETED)
    ended = [each for each in (working, killing) if each.done()]
    for each in (working, killing, watching):
        each.cancel()
    await asyncio.gather(working, killing, watching, return_exceptions=True)
    for each in ended:
        each.result()


async def _all_work(raters: Sequence[Rater]) -> None:
    await asyncio.gather(*(rater.work() for rater in raters))


async def _stuck(ledger: Ledger) -> None:
    before = -1
    while ledger.counts["acknowledged"] != before:
        before = ledger.counts["acknowledged"]
        print(f"{before:,} answers acknowledged", file=sys.stderr)
        await asyncio.sleep(_STUCK_SECONDS)


def _look(place: Place, ledger: Ledger, *, now: datetime) -> Ledger:
    """Return the faults of the database, and what its audit log counts."""
    engine = open_database(place.database)
    try:
        with reading(engine) as connection:
            faults = all_faults(connection, ledger.said, undone=ledger.undone)
            events = connection.execute(text("SELECT action, COUNT(*) FROM audit GROUP BY action"))
            counts = Counter({action: number for action, number in events if action in _EVENTS})
            counts["tasks"] = connection.execute(text("SELECT COUNT(*) FROM tasks")).scalar_one()
            surplus = connection.execute(text("SELECT COUNT(*) FROM answers WHERE surplus")).scalar_one()
            counts["surplus"] = surplus
    finally:
        engine.dispose()
    return Ledger(counts=counts, faults=faults)


if __name__ == "__main__":
    sys.exit(main())
