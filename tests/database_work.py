"""What tests of the annotation database do in it: a project `p` with tasks and people, claims and answers."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TypeVar

from sqlalchemy import Connection, Engine, select

from steersman.annotation.escalation import ratings_needed
from steersman.store.database.answers import Answer, AnswerRules, Comparison, Receipt, ResponseScores, submit
from steersman.store.database.audit import Act, Event, read_events
from steersman.store.database.connection import reading, writing
from steersman.store.database.exporting import read_ratings
from steersman.store.database.leases import (
    ClaimRules,
    LeasedTask,
    claim,
    held_task,
    leased_task,
    lock_member,
    take_back_expired,
)
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project
from steersman.store.database.task_tables import TASKS
from steersman.store.database.tasks import KnownScores, NewResponse, NewTask, add_tasks
from steersman.store.database.undoing import UndoRules, undo_last

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# nobody: the site itself
SITE = Act(None, NOON)
NAMES = ("ann", "ben", "cay", "dee", "eli", "fay")
KNOWN = (KnownScores((4, 4, 4, 2, 2), "it is right"), KnownScores((0, 0, 3, 1, 1), None))
RULES = ClaimRules(HOUR, Random(0))
ANSWER_RULES = AnswerRules("1", partial(ratings_needed, first=3, most=5, max_spread=2))
UNDO_RULES = UndoRules(timedelta(minutes=10), RULES)
T = TypeVar("T")


def new_task(name: str, *, kind: str = "rating", priority: int = 0, delivery: str | None = None) -> NewTask:
    first = NewResponse(f"{name}-0", f"first answer to {name}", "model-one", "Apache-2.0")
    second = NewResponse(f"{name}-1", f"second answer to {name}", "model-two", None)
    known = None if kind == "rating" else KNOWN
    return NewTask(name, f"prompt {name}", (first, second), kind, known, priority=priority, delivery=delivery)


def fill(engine: Engine, *, tasks: Sequence[NewTask], names: Sequence[str] = NAMES) -> None:
    """Make the project `p` with its tasks, and people who work in it."""
    with writing(engine) as connection:
        add_project(connection, "p", title="Project", settings={}, guideline="# Guide", by=SITE)
        add_tasks(connection, "p", tasks, need=3, by=SITE)
        for name in names:
            add_user(connection, name, role="annotator", by=SITE)
            add_member(connection, "p", name, stage="working", by=SITE)


def wrote(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Return what `work` gives in a writing transaction."""
    with writing(engine) as connection:
        return work(connection)


def saw(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Return what `work` gives in a reading transaction."""
    with reading(engine) as connection:
        return work(connection)


def take(
    engine: Engine, name: str, *, now: datetime = NOON, kind: str = "rating", rules: ClaimRules = RULES
) -> LeasedTask | None:
    """Claim as the site does: expired leases are taken back first, and a held task is given again."""
    wrote(engine, lambda connection: take_back_expired(connection, now=now))
    with writing(engine) as connection:
        lock_member(connection, "p", name)
        held = held_task(connection, "p", name, now=now, rules=rules)
        return held or claim(connection, "p", name, kind=kind, now=now, rules=rules)


def taken(engine: Engine, name: str, *, now: datetime = NOON, kind: str = "rating") -> LeasedTask:
    task = take(engine, name, now=now, kind=kind)
    assert task is not None
    return task


def said(helpfulness: int) -> ResponseScores:
    return ResponseScores((helpfulness, 3, 4, 1, 2), confidence=2, safe=True)


def scored(lease: str, helpfulness: tuple[int, int] = (3, 3), *, revision: int = 0) -> Answer:
    """Return an answer that gives the left and the right response this helpfulness."""
    return Answer(lease, (said(helpfulness[0]), said(helpfulness[1])), revision=revision)


def flagged(lease: str, flag: str = "pii") -> Answer:
    nothing = ResponseScores((None,) * 5)
    return Answer(lease, (nothing, nothing), flags=(flag,))


def compared(lease: str, strength: int | None) -> Answer:
    return Answer(lease, (said(3), said(3)), comparison=Comparison(strength, "because"))


def give(engine: Engine, name: str, answer: Answer, *, now: datetime = NOON) -> Receipt:
    with writing(engine) as connection:
        return submit(connection, answer, user_id=name, now=now, rules=ANSWER_RULES)


def rate(engine: Engine, name: str, *, helpfulness: tuple[int, int] = (3, 3), now: datetime = NOON) -> Receipt:
    """Claim the next task and answer it."""
    return give(engine, name, scored(taken(engine, name, now=now).lease, helpfulness), now=now)


def undo(engine: Engine, name: str, *, now: datetime = NOON) -> LeasedTask:
    return wrote(engine, lambda connection: undo_last(connection, "p", name, now=now, rules=UNDO_RULES))


def looked_at(engine: Engine, name: str, lease: str) -> LeasedTask:
    return saw(engine, lambda connection: leased_task(connection, lease, user_id=name))


def counters(engine: Engine, task_id: str) -> tuple[int, int, int]:
    """Return how many annotators a task needs, how many hold it, and how many have answered."""
    row = saw(engine, lambda connection: connection.execute(select(TASKS).where(TASKS.c.task_id == task_id)).one())
    return row.need, row.num_active, row.num_done


def state(engine: Engine, task_id: str) -> str:
    query = select(TASKS.c.state).where(TASKS.c.task_id == task_id)
    return str(saw(engine, lambda connection: connection.execute(query).scalar_one()))


def ratings(engine: Engine) -> list[dict[str, object]]:
    return saw(engine, lambda connection: [row for _, row in read_ratings(connection, "p")])


def events(engine: Engine, *actions: str) -> list[Event]:
    """Return what the audit log tells of some actions."""
    return saw(engine, lambda connection: [each for each in read_events(connection) if each.action in actions])
