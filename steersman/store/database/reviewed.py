"""Read what reviewers look at: a task with all that was said of it; and all final scores of a project."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ADJUDICATIONS, ANSWERS, RATINGS, REVIEWS, WITHDRAWALS
from steersman.store.database.faults import UnknownError
from steersman.store.database.task_tables import ASSIGNMENTS, KNOWN_SCORES, RESPONSES, TASKS

_SLOTS = (0, 1)
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class GivenScores:
    """What an answer says of the response in one slot, scores in the order of ATTRIBUTES."""

    scores: tuple[int | None, ...]
    confidence: int | None
    safe: bool | None
    unsafe_reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer as a reviewer sees it; `withdrawn` is why it counts no longer, None while it does.

    `strength` above 0 says that the response in slot 1 is better; None with `compared` that neither is valid.
    """

    answer_id: int
    annotator: str
    responses: tuple[GivenScores, GivenScores]
    flags: tuple[str, ...]
    compared: bool
    strength: int | None
    justification: str | None
    seconds: float
    created_at: str
    surplus: bool
    withdrawn: str | None


@dataclass(frozen=True, slots=True)
class Review:
    """One decision about a task or, with `answer_id`, about an answer; `scores` are final ones, one row per slot."""

    review_id: int
    verdict: str
    answer_id: int | None
    reviewer: str
    note: str | None
    created_at: str
    scores: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, slots=True)
class ReviewedTask:
    """A task with its responses by slot, all answers in order of submission, and all decisions, oldest first.

    `known` are the scores by slot that are known to be right, empty for a rating task.
    """

    task_id: str
    kind: str
    state: str
    delivery: str | None
    prompt: str
    need: int
    num_active: int
    num_done: int
    responses: tuple[str, ...]
    known: tuple[tuple[int | None, ...], ...]
    answers: tuple[GivenAnswer, ...]
    reviews: tuple[Review, ...]


def read_reviewed_task(connection: Connection, project_id: str, task_id: str) -> ReviewedTask:
    """Return a task with everything that was said of it; raises UnknownError when there is none of this id."""
    query = select(TASKS).where(TASKS.c.project_id == project_id, TASKS.c.task_id == task_id)
    task = connection.execute(query).one_or_none()
    if task is None:
        raise UnknownError(f"there is no task {task_id[:80]!r} in project {project_id}")
    by_slot = select(RESPONSES.c.response).where(RESPONSES.c.task_key == task.task_key).order_by(RESPONSES.c.slot)
    known = select(KNOWN_SCORES).where(KNOWN_SCORES.c.task_key == task.task_key).order_by(KNOWN_SCORES.c.slot)
    return ReviewedTask(
        task_id=task.task_id,
        kind=task.kind,
        state=task.state,
        delivery=task.delivery,
        prompt=task.prompt,
        need=task.need,
        num_active=task.num_active,
        num_done=task.num_done,
        responses=tuple(connection.execute(by_slot).scalars()),
        known=tuple(_scores(row) for row in connection.execute(known)),
        answers=_answers(connection, task.task_key),
        reviews=_reviews(connection, task.task_key),
    )


def leases_of_task(connection: Connection, project_id: str, task_id: str) -> list[str]:
    """Return the leases of a task, by which the audit log names what was done under them; empty for an unknown task."""
    query = (
        select(ASSIGNMENTS.c.lease)
        .join(TASKS, TASKS.c.task_key == ASSIGNMENTS.c.task_key)
        .where(TASKS.c.project_id == project_id, TASKS.c.task_id == task_id)
        .order_by(ASSIGNMENTS.c.assignment_id)
    )
    return list(connection.execute(query).scalars())


def tasks_of_leases(connection: Connection, leases: Sequence[str]) -> dict[str, str]:
    """Return the ids of the tasks under those of some texts that are leases."""
    query = (
        select(ASSIGNMENTS.c.lease, TASKS.c.task_id)
        .join(TASKS, TASKS.c.task_key == ASSIGNMENTS.c.task_key)
        .where(ASSIGNMENTS.c.lease.in_(leases))
    )
    return {row.lease: row.task_id for row in connection.execute(query)}


def read_adjudications(connection: Connection, project_id: str) -> Iterator[dict[str, object]]:
    """Yield all final scores of a project, two rows per decision, oldest first; the last of a response holds."""
    query = (
        select(REVIEWS, ADJUDICATIONS, TASKS.c.task_id, RESPONSES.c.response_id)
        .join(ADJUDICATIONS, ADJUDICATIONS.c.review_id == REVIEWS.c.review_id)
        .join(TASKS, TASKS.c.task_key == REVIEWS.c.task_key)
        .join(RESPONSES, and_(RESPONSES.c.task_key == REVIEWS.c.task_key, RESPONSES.c.slot == ADJUDICATIONS.c.slot))
        .where(TASKS.c.project_id == project_id)
        .order_by(REVIEWS.c.review_id, ADJUDICATIONS.c.slot)
    )
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        yield {
            "task_id": row.task_id,
            "response_id": row.response_id,
            **dict(zip(ATTRIBUTES, _scores(row), strict=True)),
            "reviewer": row.user_id,
            "note": row.note,
            "created_at": row.created_at,
        }


def _answers(connection: Connection, task_key: int) -> tuple[GivenAnswer, ...]:
    ratings = (
        select(RATINGS).join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id).where(ANSWERS.c.task_key == task_key)
    )
    given = {(row.answer_id, row.slot): _given(row) for row in connection.execute(ratings)}
    query = (
        select(ANSWERS, ASSIGNMENTS.c.user_id, WITHDRAWALS.c.reason)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .outerjoin(WITHDRAWALS, WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id)
        .where(ANSWERS.c.task_key == task_key)
        .order_by(ANSWERS.c.answer_id)
    )
    return tuple(
        GivenAnswer(
            answer_id=row.answer_id,
            annotator=row.user_id,
            responses=(given[row.answer_id, 0], given[row.answer_id, 1]),
            flags=tuple(json.loads(row.flags)),
            compared=row.compared,
            strength=row.strength,
            justification=row.justification,
            seconds=row.seconds if row.active_seconds is None else row.active_seconds,
            created_at=row.created_at,
            surplus=row.surplus,
            withdrawn=row.reason,
        )
        for row in connection.execute(query)
    )


def _given(row: Row[tuple[object, ...]]) -> GivenScores:
    return GivenScores(_scores(row), row.confidence, row.safe, tuple(json.loads(row.unsafe_reasons)))


def _reviews(connection: Connection, task_key: int) -> tuple[Review, ...]:
    final = (
        select(ADJUDICATIONS)
        .join(REVIEWS, REVIEWS.c.review_id == ADJUDICATIONS.c.review_id)
        .where(REVIEWS.c.task_key == task_key)
    )
    scores = {(row.review_id, row.slot): _scores(row) for row in connection.execute(final)}
    query = select(REVIEWS).where(REVIEWS.c.task_key == task_key).order_by(REVIEWS.c.review_id)
    return tuple(
        Review(
            row.review_id,
            row.verdict,
            row.answer_id,
            row.user_id,
            row.note,
            row.created_at,
            tuple(scores[row.review_id, slot] for slot in _SLOTS if (row.review_id, slot) in scores),
        )
        for row in connection.execute(query)
    )


def _scores(row: Row[tuple[object, ...]]) -> tuple[int | None, ...]:
    return tuple(getattr(row, attribute) for attribute in ATTRIBUTES)
