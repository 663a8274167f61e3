"""Several processes work on one database and are killed in the middle: nothing acknowledged may be missing.

Each process is one annotator who claims, keeps drafts, answers, and now and then skips, takes an answer back or leaves
a task until its lease has expired. Leases last a tenth of a second, so that all of this meets.
"""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from database_work import NAMES, SITE, fill, new_task
from sqlalchemy import Engine, Executable, Row, func, select

from steersman.config.annotating import ProjectSettings
from steersman.store.database.answer_tables import ANSWERS, RATINGS, WITHDRAWALS
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import read_events
from steersman.store.database.connection import open_database, reading, writing
from steersman.store.database.projects import change_settings
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.web.service import Service

pytest_plugins = ("database_fixtures",)

NUM_TASKS = 40
ACKNOWLEDGED_BEFORE_KILL = 10
# nobody is paused: whoever has not had a task can take it
SETTINGS = {
    "lease": {"minutes": 0.1 / 60},
    "gold": {"share": 0.2, "max_failures": 1.0},
    "form": {"preference": "off"},
}
WORKER = """
import random, sys, time
from datetime import UTC, datetime
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.connection import open_database
from steersman.store.database.faults import NothingToUndoError
from steersman.web.service import Service

place, name = sys.argv[1:]
rng = random.Random(name)
service = Service(open_database(place), lambda: datetime.now(UTC), rng)
print("ready", flush=True)
sys.stdin.readline()
while (task := service.claim("p", name)) is not None:
    service.save_draft(name, lease=task.lease, draft="{}")
    what = rng.random()
    # only one of them, so that enough people are left for every task
    if what < 0.05 and name == "ann":
        service.skip(name, lease=task.lease, reason="too long")
    if what < 0.1:
        time.sleep(0.15)
        continue
    said = ResponseScores((rng.randrange(5), 3, 3, 3, 3))
    receipt = service.submit(name, answer=Answer(task.lease, (said, said), revision=task.revision))
    print("submit", task.lease, receipt.revision, flush=True)
    if what > 0.9:
        try:
            again = service.undo("p", name)
        except NothingToUndoError:
            continue
        print("undo", again.lease, again.revision - 1, flush=True)
"""
# what an event of the audit log makes of a lease that is in a certain state
MOVES = {
    (None, "task.claimed"): "active",
    ("expired", "task.claimed"): "active",
    ("active", "lease.expired"): "expired",
    ("expired", "lease.renewed"): "active",
    ("active", "task.skipped"): "skipped",
    ("expired", "task.skipped"): "skipped",
    ("done", "answer.undone"): "active",
    ("surplus", "answer.undone"): "expired",
}
_OF_LEASES = {action for _, action in MOVES} | {"answer.submitted"}


def start_worker(place: str, name: str) -> "subprocess.Popen[str]":
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, place, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    )


def acknowledged_until_killed(worker: "subprocess.Popen[str]") -> list[tuple[str, str, int]]:
    """Kill a worker after some answers; every whole line it printed was acknowledged."""
    assert worker.stdout is not None
    first = [worker.stdout.readline() for _ in range(ACKNOWLEDGED_BEFORE_KILL)]
    worker.kill()
    rest, errors = worker.communicate()
    assert errors == ""
    lines = "".join(first) + rest
    words = [line.split() for line in lines[: lines.rfind("\n") + 1].splitlines()]
    return [(what, lease, int(revision)) for what, lease, revision in words]


def finish(engine: Engine) -> None:
    """Let everybody work off what is left, a day later, when every lease has expired."""
    service = Service(engine, lambda: datetime.now(UTC) + timedelta(days=1), random.Random(0))
    said = ResponseScores((3, 3, 3, 3, 3))
    # the second time for tasks whose need grew when some had gone
    for name in NAMES * 2:
        while (task := service.claim("p", name)) is not None:
            service.submit(name, answer=Answer(task.lease, (said, said), revision=task.revision))


def played(engine: Engine) -> dict[str, str | None]:
    """Return the state in which the audit log leaves every lease; raises KeyError for a step that cannot be."""
    states: dict[str, str | None] = {}
    with reading(engine) as connection:
        for event in read_events(connection):
            if event.action in _OF_LEASES:
                lease = str(event.subject)
                before = states.get(lease)
                if event.action == "answer.submitted":
                    assert before in ("active", "expired", "skipped")
                    states[lease] = "surplus" if event.detail["surplus"] else "done"
                else:
                    states[lease] = MOVES[before, event.action]
    return states


def rows(engine: Engine, query: Executable) -> Sequence[Row[*tuple[Any, ...]]]:
    with reading(engine) as connection:
        return connection.execute(query).all()


def faults_of_tasks(engine: Engine) -> Iterator[str]:
    """Yield tasks whose counters are not what their leases say, that have too many annotators, or are stuck.

    A task may stay short of what it needs only where nobody is left who could take it.
    """
    leases = rows(engine, select(ASSIGNMENTS.c.task_key, ASSIGNMENTS.c.state))
    counts = Counter((row.task_key, row.state) for row in leases)
    for task in rows(engine, select(TASKS)):
        active, done = counts[task.task_key, "active"], counts[task.task_key, "done"]
        if (task.num_active, task.num_done) != (active, done):
            yield f"{task.task_id} counts {task.num_active} and {task.num_done}, its leases say {active} and {done}"
        num_left = len(NAMES) - sum(counts[task.task_key, each] for each in ("active", "done", "surplus", "skipped"))
        if task.kind == "rating" and (active > 0 or done > task.need or (done < task.need and num_left > 0)):
            yield f"{task.task_id} needs {task.need}, has {active} and {done}, and {num_left} could take it"


@pytest.fixture
def worked(place: str) -> tuple[str, list[tuple[str, str, int]]]:
    """Return a database in which processes worked until they were killed, and what was acknowledged to them."""
    engine = open_database(place)
    gold = [new_task(f"g{number}", kind="gold") for number in range(4)]
    fill(engine, tasks=[*(new_task(f"t{number}") for number in range(NUM_TASKS)), *gold])
    settings = ProjectSettings.model_validate(SETTINGS).model_dump(mode="json")
    with writing(engine) as connection:
        change_settings(connection, "p", settings, by=SITE)
    engine.dispose()
    workers = [start_worker(place, name) for name in NAMES[:4]]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return place, [each for worker in workers for each in acknowledged_until_killed(worker)]


@pytest.mark.slow
def test_killed_processes_lose_no_acknowledged_answer_and_over_assign_nothing(
    worked: tuple[str, list[tuple[str, str, int]]],
) -> None:
    place, acknowledged = worked
    engine = open_database(place)
    finish(engine)
    answers = select(ANSWERS.c.answer_id, ASSIGNMENTS.c.lease, ANSWERS.c.revision).join(
        ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id
    )
    kept = {(row.lease, row.revision): row.answer_id for row in rows(engine, answers)}
    withdrawn = {row.answer_id for row in rows(engine, select(WITHDRAWALS.c.answer_id))}
    assert len(acknowledged) >= ACKNOWLEDGED_BEFORE_KILL
    assert {(lease, revision) for _, lease, revision in acknowledged} <= kept.keys()
    assert {kept[lease, revision] for what, lease, revision in acknowledged if what == "undo"} <= withdrawn
    # both responses or none
    halves = rows(engine, select(func.count(RATINGS.c.rating_id).label("num_rated")).group_by(RATINGS.c.answer_id))
    assert {row.num_rated for row in halves} == {2}
    assert list(faults_of_tasks(engine)) == []
    # the log tells of every step: played back, it ends where the leases are
    states = {row.lease: row.state for row in rows(engine, select(ASSIGNMENTS.c.lease, ASSIGNMENTS.c.state))}
    assert played(engine) == states
    with reading(engine) as connection:
        events = Counter(event.action for event in read_events(connection))
    assert (events["answer.submitted"], events["answer.undone"]) == (len(kept), len(withdrawn))
    engine.dispose()
