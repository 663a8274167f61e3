"""A project at work for tests: annotators rate by the rules of the site, flag, skip, undo, and some are rejected."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from steersman.config.annotating import ProjectSettings
from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.leases import LeasedTask
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project
from steersman.store.database.reviewing import reject_answer
from steersman.store.database.tasks import KnownScores, NewResponse, NewTask, add_tasks
from steersman.store.database.withdrawing import is_withdrawn
from steersman.web.service import Service

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BY = Act(None, NOON)
BOSS = Act("boss", NOON)
PROJECT = "busy"
KNOWN = (KnownScores((4, 4, 4, 2, 2), "right"), KnownScores((1, 1, 3, 1, 1), "wrong"))
SETTINGS = {"qualification": {"responses": 0}, "gold": {"share": 0.2, "max_failures": 1.0}, "pay": {"per_hour": 30.0}}


@dataclass(slots=True)
class BusyProject:
    """A project and its clock; `careless` annotators answer at random, the others see the quality of a response."""

    engine: Engine
    people: tuple[str, ...] = tuple("abcdefg")
    careless: tuple[str, ...] = ("g",)
    moment: datetime = NOON
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    @property
    def service(self) -> Service:
        """The annotators' side."""
        return Service(self.engine, self.now, self.rng)

    def now(self) -> datetime:
        """The time in the project."""
        return self.moment

    def work(self, turns: int) -> None:
        """Let annotators come one after another, at random."""
        for _ in range(turns):
            name = self.rng.choice(self.people)
            self.moment += timedelta(minutes=self.rng.uniform(1, 60))
            task = self.service.claim(PROJECT, name)
            if task is None:
                continue
            if self.rng.random() < 0.04:
                self.service.skip(name, lease=task.lease, reason="too long")
                continue
            # nobody can be at work for longer than they hold a task
            self.moment += timedelta(minutes=4)
            self.service.submit(name, answer=self.answer(task, careless=name in self.careless))
            if self.rng.random() < 0.05:
                self.service.undo(PROJECT, name)

    def reject(self, number: int) -> None:
        """Let a reviewer reject so many answers on rating tasks."""
        with reading(self.engine) as connection:
            counts = (ANSWERS.c.surplus.is_(False), ~is_withdrawn())
            found = connection.execute(select(ANSWERS.c.answer_id).where(*counts)).scalars().all()
        for answer_id in self.rng.sample(list(found), number):
            with writing(self.engine) as connection:
                reject_answer(connection, PROJECT, answer_id, note=None, by=Act("boss", self.moment))

    def answer(self, task: LeasedTask, *, careless: bool) -> Answer:
        """Return what somebody says of a task."""
        seconds = self.rng.uniform(30, 200) if self.rng.random() < 0.9 else None
        if self.rng.random() < 0.05:
            nothing = ResponseScores((None,) * len(ATTRIBUTES))
            return Answer(task.lease, (nothing, nothing), ("pii",), revision=task.revision, active_seconds=seconds)
        given = (self._scores(task.left, careless=careless), self._scores(task.right, careless=careless))
        return Answer(task.lease, given, revision=task.revision, active_seconds=seconds)

    def _scores(self, text: str, *, careless: bool) -> ResponseScores:
        worth = random.Random(text)
        levels = [worth.randrange(5) for _ in ATTRIBUTES]
        seen = [self.rng.randrange(5) if careless else level + self.rng.choice((-1, 0, 0, 0, 1)) for level in levels]
        return ResponseScores(tuple(min(4, max(0, level)) for level in seen))


def start_project(engine: Engine, *, tasks: int = 40) -> BusyProject:
    """Add the project with its tasks and people."""
    with writing(engine) as connection:
        settings = ProjectSettings.model_validate(SETTINGS).model_dump(mode="json")
        add_project(connection, PROJECT, title="Busy", settings=settings, guideline="Rate.", by=BY)
        made = [_task(f"t{number}", delivery="first" if number % 2 else None) for number in range(tasks)]
        made += [_task(f"g{number}", kind="gold") for number in range(4)]
        add_tasks(connection, PROJECT, made, need=3, by=BY)
        add_user(connection, "boss", role="manager", by=BY)
        project = BusyProject(engine)
        for name in project.people:
            add_user(connection, name, role="annotator", by=BY)
            add_member(connection, PROJECT, name, stage="working", by=BY)
    return project


def _task(name: str, *, kind: str = "rating", delivery: str | None = None) -> NewTask:
    # ids in no order of slots: where both were seen as often on the left, the id decides
    ids = (f"{name}-b", f"{name}-a") if hash_of(name) % 2 else (f"{name}-a", f"{name}-b")
    left, right = (NewResponse(each, f"Response {each}.", "model", None) for each in ids)
    known = None if kind == "rating" else KNOWN
    return NewTask(name, f"Prompt {name}?", (left, right), kind, known, delivery=delivery)


def hash_of(name: str) -> int:
    """Return a number that looks random and is always the same."""
    return random.Random(name).randrange(1000)
