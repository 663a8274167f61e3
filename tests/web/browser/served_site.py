"""A real annotation site on this machine for browsers: small, with people of each role, and what it has kept.

with served_site(tmp_path, people={"mia": "working"}) as site:
    page.goto(site.url + "/task")
...
site.said("mia")   # every answer of hers, oldest first, as she saw the two sides
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from fastapi import FastAPI
from served import running_app
from sqlalchemy import select, update
from web_site import GUIDELINE, PROJECT, TITLE, new_task

from steersman.config.annotating import ProjectSettings
from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ADJUDICATIONS, ANSWERS, RATINGS, WITHDRAWALS
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, create_database, reading, writing
from steersman.store.database.invitations import NewInvitation, add_invitation
from steersman.store.database.leases import LeasedTask
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project, change_guideline, mark_guideline_seen
from steersman.store.database.sessions import start_session
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.tasks import NewTask, add_tasks
from steersman.web.app import create_app
from steersman.web.service import Service

# no gold by chance, so that tests know what comes
SETTINGS: Mapping[str, object] = {"gold": {"share": 0.0}, "qualification": {"responses": 2}}
STAFF: Mapping[str, str] = {"olga": "owner", "mara": "manager", "rene": "reviewer"}


@dataclass(frozen=True, slots=True)
class Side:
    """What somebody says of one response: five scores, how sure they are of correctness, why it is unsafe."""

    scores: tuple[int | None, ...]
    confidence: int | None = None
    safe: bool | None = True
    unsafe_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as the database holds it; `strength` is turned to what the annotator saw, `left` first."""

    task_id: str
    sides: tuple[Side, Side]
    strength: int | None = None
    justification: str | None = None
    flags: tuple[str, ...] = ()
    revision: int = 0
    is_withdrawn: bool = False
    guideline_version: str = "1"


@dataclass(frozen=True, slots=True)
class ServedSite:
    """A site that listens at `url`; `engine` is a second way to its database."""

    url: str
    engine: Database
    app: FastAPI

    @property
    def by(self) -> Act:
        """Whoever runs the site's commands, now."""
        return Act(None, datetime.now(UTC))

    @property
    def _service(self) -> Service:
        return Service(self.engine, lambda: datetime.now(UTC), Random(0))

    def session(self, user_id: str) -> str:
        """Return the text of a new session."""
        with writing(self.engine) as connection:
            return start_session(connection, user_id, now=self.by.now, lasts=timedelta(days=1))

    def invitation_link(self) -> str:
        """Return a link by which one person becomes an annotator."""
        with writing(self.engine) as connection:
            new = NewInvitation("annotator", PROJECT)
            return f"{self.url}/join?code={add_invitation(connection, new, by=self.by, lasts=timedelta(days=1))[1]}"

    def change_guideline(self, markdown: str) -> None:
        """Let a new version of the guideline hold."""
        with writing(self.engine) as connection:
            change_guideline(connection, PROJECT, markdown, by=self.by)

    def said(self, user_id: str) -> list[Said]:
        """Return every answer of a user, oldest first."""
        query = (
            select(ANSWERS, TASKS.c.task_id, ASSIGNMENTS.c.left_slot, WITHDRAWALS.c.reason)
            .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
            .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
            .outerjoin(WITHDRAWALS, WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id)
            .where(ASSIGNMENTS.c.user_id == user_id)
            .order_by(ANSWERS.c.answer_id)
        )
        with reading(self.engine) as connection:
            found = []
            for row in connection.execute(query).all():
                rated = select(RATINGS).where(RATINGS.c.answer_id == row.answer_id).order_by(RATINGS.c.position)
                left, right = (
                    Side(
                        tuple(getattr(each, name) for name in ATTRIBUTES),
                        each.confidence,
                        each.safe,
                        tuple(json.loads(each.unsafe_reasons)),
                    )
                    for each in connection.execute(rated)
                )
                # strengths are kept for the order in which the responses came, not in which they were seen
                strength = None if row.strength is None else row.strength * (-1 if row.left_slot == 1 else 1)
                found.append(
                    Said(
                        row.task_id,
                        (left, right),
                        strength,
                        row.justification,
                        tuple(json.loads(row.flags)),
                        row.revision,
                        row.reason is not None,
                        row.guideline_version,
                    )
                )
            return found

    def leases(self, user_id: str) -> list[tuple[str, str]]:
        """Return task and state of every lease of a user, oldest first."""
        query = (
            select(TASKS.c.task_id, ASSIGNMENTS.c.state)
            .join(TASKS, TASKS.c.task_key == ASSIGNMENTS.c.task_key)
            .where(ASSIGNMENTS.c.user_id == user_id)
            .order_by(ASSIGNMENTS.c.assignment_id)
        )
        with reading(self.engine) as connection:
            return [(row.task_id, row.state) for row in connection.execute(query)]

    def set_left_slot(self, task_id: str, user_id: str, left_slot: int) -> None:
        """Say how the draw of the sides of a lease is to have ended."""
        key = select(TASKS.c.task_key).where(TASKS.c.task_id == task_id).scalar_subquery()
        mine = (ASSIGNMENTS.c.task_key == key, ASSIGNMENTS.c.user_id == user_id)
        with writing(self.engine) as connection:
            connection.execute(update(ASSIGNMENTS).where(*mine).values(left_slot=left_slot))

    def claim(self, user_id: str) -> LeasedTask:
        """Let an annotator take the task that comes next, or the one that they hold, without a browser."""
        task = self._service.claim(PROJECT, user_id)
        assert task is not None
        return task

    def answer(self, user_id: str, sides: tuple[Side, Side], *, justification: str | None = None) -> None:
        """Let an annotator answer the task that comes next, without a browser: left and right in the stored order."""
        task = self.claim(user_id)
        if task.left != f"Response 0 of {task.task_id}.":
            sides = (sides[1], sides[0])
        left, right = (ResponseScores(each.scores, each.confidence, each.safe, each.unsafe_reasons) for each in sides)
        comparison = None if justification is None else Comparison(1, justification)
        self._service.submit(user_id, answer=Answer(task.lease, (left, right), comparison=comparison))

    def flag(self, user_id: str, flag: str) -> None:
        """Let an annotator say that the task that comes next cannot be rated."""
        unrated = ResponseScores((None,) * len(ATTRIBUTES))
        self._service.submit(user_id, answer=Answer(self.claim(user_id).lease, (unrated, unrated), (flag,)))

    def last_lease(self, user_id: str) -> str:
        """Return the lease that a user got last."""
        query = select(ASSIGNMENTS.c.lease).where(ASSIGNMENTS.c.user_id == user_id)
        with reading(self.engine) as connection:
            return str(connection.execute(query.order_by(ASSIGNMENTS.c.assignment_id.desc())).scalars().first())

    def counts(self, task_id: str) -> tuple[int, int]:
        """Return how many answers of a task count, and how many it needs."""
        query = select(TASKS.c.num_done, TASKS.c.need).where(TASKS.c.task_id == task_id)
        with reading(self.engine) as connection:
            row = connection.execute(query).one()
            return (row.num_done, row.need)

    def final_scores(self) -> list[tuple[int, ...]]:
        """Return the scores that reviewers settled on, by response, oldest first."""
        query = select(ADJUDICATIONS).order_by(ADJUDICATIONS.c.review_id, ADJUDICATIONS.c.slot)
        with reading(self.engine) as connection:
            return [tuple(getattr(row, name) for name in ATTRIBUTES) for row in connection.execute(query)]


@contextmanager
def served_site(
    folder: Path,
    *,
    tasks: Sequence[NewTask] = (),
    people: Mapping[str, str] | None = None,
    settings: Mapping[str, object] = SETTINGS,
    guideline: str = GUIDELINE,
) -> Iterator[ServedSite]:
    """Serve a new site; `people` gives the stage of each annotator, who has read the guideline unless in training."""
    place = folder / "site.sqlite"
    engine = create_database(place)
    parsed = ProjectSettings.model_validate(settings)
    by = Act(None, datetime.now(UTC))
    with writing(engine) as connection:
        stored = parsed.model_dump(mode="json")
        add_project(connection, PROJECT, title=TITLE, settings=stored, guideline=guideline, by=by)
        add_tasks(connection, PROJECT, tasks or [new_task(0), new_task(1)], need=parsed.overlap.first, by=by)
        for user_id, role in STAFF.items():
            add_user(connection, user_id, role=role, by=by)
        for user_id, stage in (people or {}).items():
            add_user(connection, user_id, role="annotator", by=by)
            add_member(connection, PROJECT, user_id, stage=stage, by=by)
            if stage != "training":
                mark_guideline_seen(connection, PROJECT, user_id, version=1, now=by.now)
    app = create_app(place, now=lambda: datetime.now(UTC))
    with running_app(app) as url:
        yield ServedSite(url, engine, app)
    engine.dispose()
