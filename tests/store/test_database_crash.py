"""Several processes work on one database and are killed in the middle: nothing acknowledged may be missing."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from steersman.store.database.connection import create_database, open_database, reading, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks
from steersman.store.database.schema import ASSIGNMENTS, RATINGS, TASKS

NUM_TASKS = 200
NUM_WORKERS = 4
ACKNOWLEDGED_BEFORE_KILL = 10
WORKER = """
import random, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from steersman.annotation.escalation import ratings_needed
from steersman.store.database.answers import Answer, ResponseScores, submit
from steersman.store.database.connection import open_database, writing
from steersman.store.database.leases import claim

engine, name, rng = open_database(Path(sys.argv[1])), sys.argv[2], random.Random(sys.argv[2])
now = datetime.now(UTC)
while True:
    with writing(engine) as connection:
        task = claim(connection, name, now=now, lease_length=timedelta(hours=1), rng=rng)
    if task is None:
        break
    said = ResponseScores((rng.randrange(5), 3, 3, 3, 3))
    answer = Answer(task.lease, (said, said))
    with writing(engine) as connection:
        submit(connection, answer, annotator=name, now=now, guideline_version="1", ratings_needed=ratings_needed)
    print(task.lease, flush=True)
"""


def new_database(path: Path) -> None:
    engine = create_database(path)
    made = [
        NewTask(f"t{n}", "prompt", (NewResponse("a", "one", "model", None), NewResponse("b", "two", "model", None)))
        for n in range(NUM_TASKS)
    ]
    with writing(engine) as connection:
        add_tasks(connection, made, need=3)
        for worker in range(NUM_WORKERS):
            add_annotator(connection, f"w{worker}", now=datetime.now(UTC))
    engine.dispose()


def start_worker(path: Path, name: str) -> "subprocess.Popen[str]":
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WORKER, str(path), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def acknowledged_until_killed(worker: "subprocess.Popen[str]") -> list[str]:
    """Kill a worker after some answers; every whole line it printed is an acknowledged lease."""
    assert worker.stdout is not None
    first = [worker.stdout.readline() for _ in range(ACKNOWLEDGED_BEFORE_KILL)]
    worker.kill()
    rest, _ = worker.communicate()
    lines = "".join(first) + rest
    return lines[: lines.rfind("\n") + 1].split()


def test_killed_processes_lose_no_acknowledged_answer_and_over_assign_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    new_database(path)
    workers = [start_worker(path, f"w{number}") for number in range(NUM_WORKERS)]
    acknowledged = {lease for worker in workers for lease in acknowledged_until_killed(worker)}
    engine = open_database(path)
    with reading(engine) as connection:
        kept = connection.execute(select(RATINGS.c.lease, func.count()).group_by(RATINGS.c.lease)).all()
        tasks = connection.execute(select(TASKS)).all()
        states = connection.execute(select(ASSIGNMENTS.c.task_id, ASSIGNMENTS.c.state)).all()
    engine.dispose()
    assert len(acknowledged) >= NUM_WORKERS * ACKNOWLEDGED_BEFORE_KILL
    assert acknowledged <= {lease for lease, _ in kept}
    # both responses or none, and each process at most one answer that was kept but not acknowledged
    assert {count for _, count in kept} == {2}
    assert len(kept) <= len(acknowledged) + NUM_WORKERS
    for task in tasks:
        of_task = [state for task_id, state in states if task_id == task.task_id]
        assert (task.num_active, task.num_done) == (of_task.count("active"), of_task.count("done"))
        assert task.num_active + task.num_done <= task.need
