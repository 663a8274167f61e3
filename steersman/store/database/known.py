"""Read how annotators did on tasks whose right scores are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.task_tables import ASSIGNMENTS, KNOWN_SCORES, TASKS
from steersman.store.database.withdrawing import is_withdrawn


@dataclass(frozen=True, slots=True)
class KnownRating:
    """One rated response with its right scores, both in the order of ATTRIBUTES, as its annotator saw it."""

    task_id: str
    position: int
    given: tuple[int | None, ...]
    known: tuple[int | None, ...]
    explanation: str | None
    created_at: str


def known_ratings(
    connection: Connection, project_id: str, user_id: str, *, kind: str, lease: str | None = None
) -> Sequence[KnownRating]:
    """Return what an annotator gave on tasks of a kind, or under one lease, oldest first; not what was undone."""
    query = (
        select(
            TASKS.c.task_id,
            RATINGS.c.position,
            ANSWERS.c.created_at,
            *(RATINGS.c[name].label(f"given_{name}") for name in ATTRIBUTES),
            *(KNOWN_SCORES.c[name].label(f"known_{name}") for name in ATTRIBUTES),
            KNOWN_SCORES.c.explanation,
        )
        .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(KNOWN_SCORES, and_(KNOWN_SCORES.c.task_key == ANSWERS.c.task_key, KNOWN_SCORES.c.slot == RATINGS.c.slot))
        .where(
            ASSIGNMENTS.c.project_id == project_id,
            ASSIGNMENTS.c.user_id == user_id,
            TASKS.c.kind == kind,
            ~is_withdrawn(),
        )
        .order_by(RATINGS.c.rating_id)
    )
    query = query if lease is None else query.where(ASSIGNMENTS.c.lease == lease)
    return [
        KnownRating(
            row.task_id,
            row.position,
            tuple(getattr(row, f"given_{name}") for name in ATTRIBUTES),
            tuple(getattr(row, f"known_{name}") for name in ATTRIBUTES),
            row.explanation,
            row.created_at,
        )
        for row in connection.execute(query)
    ]
