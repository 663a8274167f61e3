"""Put tasks and annotators into the database, and read ratings and progress out of it."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, select

from steersman.records import ATTRIBUTES
from steersman.store.database.leases import timestamp
from steersman.store.database.schema import ANNOTATORS, ASSIGNMENTS, RATINGS, RESPONSES, TASKS

_TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class NewResponse:
    """A response of a task to be made."""

    response_id: str
    response: str
    generator: str
    generator_licence: str | None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be made: a prompt in HelpSteer2's text form and its two responses."""

    task_id: str
    prompt: str
    responses: tuple[NewResponse, NewResponse]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is: `tasks` and those finished, single `ratings`, and what one annotator has answered."""

    tasks: int
    finished: int
    ratings: int
    surplus: int
    answered: int


def add_tasks(connection: Connection, tasks: Sequence[NewTask], *, need: int) -> None:
    """Insert tasks; they are given out in this order."""
    if not tasks:
        return
    connection.execute(
        insert(TASKS),
        [
            {"task_id": task.task_id, "ordinal": ordinal, "prompt": task.prompt, "need": need}
            | {"num_active": 0, "num_done": 0}
            for ordinal, task in enumerate(tasks)
        ],
    )
    connection.execute(
        insert(RESPONSES),
        [
            {
                "task_id": task.task_id,
                "slot": slot,
                "response_id": response.response_id,
                "response": response.response,
                "generator": response.generator,
                "generator_licence": response.generator_licence,
            }
            for task in tasks
            for slot, response in enumerate(task.responses)
        ],
    )


def add_annotator(connection: Connection, name: str, *, now: datetime) -> str:
    """Insert an annotator and return their access token; only its hash is kept."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = {"annotator": name, "token_sha256": token_sha256(token), "created_at": timestamp(now)}
    connection.execute(insert(ANNOTATORS).values(row))
    return token


def token_sha256(token: str) -> str:
    """Return what is kept of a token; tokens are long and random, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_annotator(connection: Connection, token: str) -> str | None:
    """Return the name of the annotator who holds `token`, or None."""
    return connection.execute(
        select(ANNOTATORS.c.annotator).where(ANNOTATORS.c.token_sha256 == token_sha256(token))
    ).scalar()


def read_progress(connection: Connection, annotator: str) -> Progress:
    """Return how far the work is, as seen by one annotator."""

    def count(*conditions: object) -> int:
        query = select(func.count()).where(*conditions)  # type: ignore[arg-type]
        return int(connection.execute(query).scalar_one())

    return Progress(
        tasks=int(connection.execute(select(func.count()).select_from(TASKS)).scalar_one()),
        finished=count(TASKS.c.num_done >= TASKS.c.need),
        ratings=int(connection.execute(select(func.count()).select_from(RATINGS)).scalar_one()),
        surplus=count(RATINGS.c.surplus.is_(True)),
        answered=count(ASSIGNMENTS.c.annotator == annotator, ASSIGNMENTS.c.state.in_(("done", "surplus"))),
    )


def read_ratings(connection: Connection) -> Iterator[dict[str, object]]:
    """Yield every rating as a row of the ratings table, in order of submission, left response first."""
    query = (
        select(RATINGS, TASKS.c.prompt, RESPONSES.c.response)
        .join(TASKS, TASKS.c.task_id == RATINGS.c.task_id)
        .join(
            RESPONSES,
            and_(RESPONSES.c.task_id == RATINGS.c.task_id, RESPONSES.c.response_id == RATINGS.c.response_id),
        )
        .order_by(RATINGS.c.rating_id)
    )
    for row in connection.execute(query).mappings():
        yield {
            **{name: row[name] for name in ("task_id", "prompt", "response_id", "response", "position", "annotator")},
            **{attribute: row[attribute] for attribute in ATTRIBUTES},
            **{name: row[name] for name in ("confidence", "safe")},
            "flags": json.loads(row["flags"]),
            **{name: row[name] for name in ("seconds", "created_at")},
            "delivery": None,
            "guideline_version": row["guideline_version"],
            "gold": None,
            "surplus": row["surplus"],
            "simulated": row["simulated"],
        }
