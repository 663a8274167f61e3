"""Keep the answers of annotators; each function runs inside one writing transaction.

An answer that comes after its lease was taken back still counts while a place is free, and is kept as surplus when
none is. Nothing that was said is ever changed or dropped.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, case, insert, select, update

from steersman.records import ATTRIBUTES
from steersman.store.database.faults import AlreadyAnsweredError
from steersman.store.database.leases import find_assignment, shown_responses, timestamp
from steersman.store.database.schema import ASSIGNMENTS, HAS_FREE_PLACE, RATINGS, TASKS

_ANSWERED = ("done", "surplus")

# Takes the helpfulness ratings of each response in order of submission, returns how many annotators a task needs.
RatingsNeeded = Callable[[Sequence[Sequence[int | None]]], int]


@dataclass(frozen=True, slots=True)
class ResponseScores:
    """What an annotator says of one response: scores in the order of ATTRIBUTES, all None when the task is flagged.

    `confidence` is how sure they are of correctness, 0 (not) to 2 (very); None means not asked.
    """

    scores: tuple[int | None, ...]
    confidence: int | None = None
    safe: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One annotator's answer to one lease; `responses` are left and right. `simulated` None means not known."""

    lease: str
    responses: tuple[ResponseScores, ResponseScores]
    flags: tuple[str, ...] = ()
    simulated: bool | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done with an answer; the same for every replay."""

    lease: str
    task_id: str
    surplus: bool
    created_at: str


def submit(
    connection: Connection,
    answer: Answer,
    *,
    annotator: str,
    now: datetime,
    guideline_version: str,
    ratings_needed: RatingsNeeded,
) -> Receipt:
    """Keep an answer and return its receipt; the same answer again returns the same receipt.

    Raises UnknownLeaseError for a lease that is not the annotator's, AlreadyAnsweredError for a different answer.
    """
    assignment = find_assignment(connection, answer.lease, annotator=annotator)
    digest = answer_sha256(answer)
    if assignment.state in _ANSWERED:
        if assignment.answer_sha256 != digest:
            raise AlreadyAnsweredError("this task was already answered differently; the first answer is kept")
        return Receipt(answer.lease, assignment.task_id, assignment.state == "surplus", assignment.answered_at)
    counts = assignment.state == "active" or _has_free_place(connection, assignment.task_id)
    receipt = Receipt(answer.lease, assignment.task_id, not counts, timestamp(now))
    _insert_ratings(connection, answer, assignment=assignment, receipt=receipt, guideline_version=guideline_version)
    connection.execute(
        update(ASSIGNMENTS)
        .where(ASSIGNMENTS.c.lease == answer.lease)
        .values(state="done" if counts else "surplus", answered_at=receipt.created_at, answer_sha256=digest)
    )
    if counts:
        _count_answer(connection, assignment, ratings_needed=ratings_needed)
    return receipt


def answer_sha256(answer: Answer) -> str:
    """Return a fingerprint of what an answer says; the lease and who gave it are left out."""
    said = [[list(each.scores), each.confidence, each.safe] for each in answer.responses]
    return hashlib.sha256(json.dumps([said, sorted(answer.flags), answer.simulated]).encode()).hexdigest()


def _has_free_place(connection: Connection, task_id: str) -> bool:
    return bool(connection.execute(select(HAS_FREE_PLACE).where(TASKS.c.task_id == task_id)).scalar_one())


def _insert_ratings(
    connection: Connection,
    answer: Answer,
    *,
    assignment: Row[tuple[object, ...]],
    receipt: Receipt,
    guideline_version: str,
) -> None:
    spent = datetime.fromisoformat(receipt.created_at) - datetime.fromisoformat(assignment.claimed_at)
    shared = {
        "lease": answer.lease,
        "task_id": assignment.task_id,
        "annotator": assignment.annotator,
        "flags": json.dumps(sorted(answer.flags)),
        # a clock that was set back must not lose an answer
        "seconds": max(0.0, spent.total_seconds()),
        "created_at": receipt.created_at,
        "guideline_version": guideline_version,
        "surplus": receipt.surplus,
        "simulated": answer.simulated,
    }
    shown = shown_responses(connection, assignment)
    rows = [
        {
            **shared,
            "response_id": response.response_id,
            "position": position,
            **dict(zip(ATTRIBUTES, said.scores, strict=True)),
            "confidence": said.confidence,
            "safe": said.safe,
        }
        for position, (response, said) in enumerate(zip(shown, answer.responses, strict=True))
    ]
    connection.execute(insert(RATINGS), rows)


def _count_answer(
    connection: Connection, assignment: Row[tuple[object, ...]], *, ratings_needed: RatingsNeeded
) -> None:
    given = connection.execute(
        select(RATINGS.c.response_id, RATINGS.c.helpfulness)
        .where(RATINGS.c.task_id == assignment.task_id, RATINGS.c.surplus.is_(False))
        .order_by(RATINGS.c.rating_id)
    ).all()
    by_response: dict[str, list[int | None]] = {}
    for row in given:
        by_response.setdefault(row.response_id, []).append(row.helpfulness)
    needed = ratings_needed(list(by_response.values()))
    was_active = 1 if assignment.state == "active" else 0
    connection.execute(
        update(TASKS)
        .where(TASKS.c.task_id == assignment.task_id)
        .values(
            num_active=TASKS.c.num_active - was_active,
            num_done=TASKS.c.num_done + 1,
            need=case((TASKS.c.need < needed, needed), else_=TASKS.c.need),
        )
    )
