"""Keep the answers of annotators; each function runs inside one writing transaction.

An answer that comes after its lease was taken back still counts while a place is free, and is kept as surplus when
none is. Nothing that was said is ever changed or dropped: what is taken back is said to be so in a row of its own.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Connection, Integer, Row, and_, bindparam, case, func, insert, select, update

from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import AlreadyAnsweredError
from steersman.store.database.leases import lock_assignment
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.task_tables import ASSIGNMENTS, HAS_FREE_PLACE, TASKS
from steersman.store.database.withdrawing import count_for_member, is_withdrawn

ANSWERED = ("done", "surplus", "withdrawn")

# Statements are made once: making one takes longer than running it.
_OF_TASK = bindparam("of_task", type_=Integer)
_GIVEN = (
    select(ANSWERS.c.revision, ANSWERS.c.sha256, ANSWERS.c.surplus, ANSWERS.c.created_at)
    .where(ANSWERS.c.assignment_id == bindparam("of_assignment"))
    .order_by(ANSWERS.c.revision)
)
_LOCKED_TASK = (
    select(TASKS.c.task_key, TASKS.c.task_id, TASKS.c.kind, MEMBERS.c.changed_at)
    .join(MEMBERS, and_(MEMBERS.c.project_id == TASKS.c.project_id, MEMBERS.c.user_id == bindparam("of_user")))
    .where(TASKS.c.task_key == _OF_TASK)
    .with_for_update(key_share=True, of=TASKS)
)
_ADDED = insert(ANSWERS).returning(ANSWERS.c.answer_id)
_STATED = (
    update(ASSIGNMENTS)
    .where(ASSIGNMENTS.c.assignment_id == bindparam("of_assignment"))
    .values(state=bindparam("new_state"))
)
_COUNTING = and_(ANSWERS.c.task_key == _OF_TASK, ANSWERS.c.surplus.is_(False), ~is_withdrawn())
_HELPFULNESS = (
    select(RATINGS.c.slot, RATINGS.c.helpfulness)
    .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
    .where(_COUNTING)
    .order_by(RATINGS.c.rating_id)
)
_NUM_FLAGGED = select(func.count()).where(_COUNTING, ANSWERS.c.flags != "[]")
_NEED = bindparam("new_need", type_=Integer)
_COUNTED = (
    update(TASKS)
    .where(TASKS.c.task_key == _OF_TASK)
    .values(
        num_active=TASKS.c.num_active - bindparam("num_left", type_=Integer),
        num_done=TASKS.c.num_done + 1,
        need=case((TASKS.c.need < _NEED, _NEED), else_=TASKS.c.need),
        state=case((bindparam("is_ended", type_=Boolean), "ended"), else_=TASKS.c.state),
    )
)

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
    unsafe_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better the right response is than the left one, -3 to 3 without 0; None when neither is valid."""

    strength: int | None
    justification: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One annotator's answer to one lease; `responses` are left and right. `simulated` None means not known.

    `revision` counts the answers given before under this lease and taken back. `active_seconds` is the time that the
    page saw the annotator at work; None when nobody measured it.
    """

    lease: str
    responses: tuple[ResponseScores, ResponseScores]
    flags: tuple[str, ...] = ()
    comparison: Comparison | None = None
    revision: int = 0
    active_seconds: float | None = None
    simulated: bool | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done with an answer; the same for every replay."""

    lease: str
    task_id: str
    revision: int
    surplus: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """The version of the guideline that was shown, how many annotators a task needs, and how many flags end it."""

    guideline_version: str
    ratings_needed: RatingsNeeded
    flags_to_end: int = 2


def submit(connection: Connection, answer: Answer, *, user_id: str, now: datetime, rules: AnswerRules) -> Receipt:
    """Keep an answer and return its receipt; the same answer again returns the same receipt.

    Raises UnknownLeaseError for a lease that is not the annotator's, AlreadyAnsweredError for a different answer.
    """
    assignment = lock_assignment(connection, answer.lease, user_id=user_id)
    task = _lock_task(connection, assignment)
    replayed = _replayed(connection, answer, assignment=assignment, task_id=task.task_id)
    if replayed is not None:
        return replayed
    is_free = task.kind != "rating" or assignment.state == "active" or _has_free_place(connection, task.task_key)
    # a clock that was set back must not put an answer before its claim, or into an earlier stage of its annotator
    created_at = max(timestamp(now), str(assignment.claimed_at), str(task.changed_at))
    receipt = Receipt(answer.lease, task.task_id, answer.revision, not is_free, created_at)
    _insert(connection, answer, assignment=assignment, receipt=receipt, guideline_version=rules.guideline_version)
    state = "done" if is_free else "surplus"
    connection.execute(_STATED, {"of_assignment": assignment.assignment_id, "new_state": state})
    if is_free:
        _count(connection, task, was_active=assignment.state == "active", rules=rules)
    count_for_member(connection, assignment, change=1)
    record(
        connection,
        "answer.submitted",
        by=Act(user_id, now),
        project_id=str(assignment.project_id),
        subject=answer.lease,
        revision=answer.revision,
        surplus=receipt.surplus,
    )
    return receipt


def answer_sha256(answer: Answer) -> str:
    """Return a fingerprint of what an answer says; the lease, the time it took and who gave it are left out."""
    said = [[list(each.scores), each.confidence, each.safe, sorted(each.unsafe_reasons)] for each in answer.responses]
    compared = None if answer.comparison is None else [answer.comparison.strength, answer.comparison.justification]
    text = json.dumps([said, sorted(answer.flags), compared, answer.simulated])
    return hashlib.sha256(text.encode()).hexdigest()


def rating_rows(answer: Answer, *, answer_id: int, left_slot: int) -> list[dict[str, object]]:
    """Return the rows of RATINGS of an answer, left response first."""
    return [
        {
            "answer_id": answer_id,
            "position": position,
            "slot": slot,
            **dict(zip(ATTRIBUTES, said.scores, strict=True)),
            "confidence": said.confidence,
            "safe": said.safe,
            "unsafe_reasons": json.dumps(sorted(said.unsafe_reasons)),
        }
        for position, (slot, said) in enumerate(zip((left_slot, 1 - left_slot), answer.responses, strict=True))
    ]


def _replayed(
    connection: Connection, answer: Answer, *, assignment: Row[tuple[object, ...]], task_id: str
) -> Receipt | None:
    given = connection.execute(_GIVEN, {"of_assignment": assignment.assignment_id}).all()
    if answer.revision < len(given):
        earlier = given[answer.revision]
        if earlier.sha256 != answer_sha256(answer):
            raise AlreadyAnsweredError("this task was already answered differently; the first answer is kept")
        return Receipt(answer.lease, task_id, answer.revision, earlier.surplus, earlier.created_at)
    if assignment.state in ANSWERED:
        raise AlreadyAnsweredError("this task was already answered; undo that answer first to give another")
    if answer.revision > len(given):
        raise DataError(f"revision must be {len(given)}, the number of answers given before, got {answer.revision}")
    return None


def _lock_task(connection: Connection, assignment: Row[tuple[object, ...]]) -> Row[int, str, str, str]:
    return connection.execute(_LOCKED_TASK, {"of_task": assignment.task_key, "of_user": assignment.user_id}).one()


def _has_free_place(connection: Connection, task_key: int) -> bool:
    return bool(connection.execute(select(HAS_FREE_PLACE).where(TASKS.c.task_key == task_key)).scalar_one())


def _insert(
    connection: Connection,
    answer: Answer,
    *,
    assignment: Row[tuple[object, ...]],
    receipt: Receipt,
    guideline_version: str,
) -> None:
    spent = datetime.fromisoformat(receipt.created_at) - datetime.fromisoformat(str(assignment.claimed_at))
    comparison = answer.comparison
    flips = -1 if assignment.left_slot == 1 else 1
    values = {
        "assignment_id": assignment.assignment_id,
        "task_key": assignment.task_key,
        "revision": answer.revision,
        "flags": json.dumps(sorted(answer.flags)),
        "compared": comparison is not None,
        "strength": None if comparison is None or comparison.strength is None else flips * comparison.strength,
        "justification": None if comparison is None else comparison.justification,
        "seconds": spent.total_seconds(),
        "active_seconds": answer.active_seconds,
        "created_at": receipt.created_at,
        "guideline_version": guideline_version,
        "surplus": receipt.surplus,
        "simulated": answer.simulated,
        "sha256": answer_sha256(answer),
    }
    answer_id = connection.execute(_ADDED, values).scalar_one()
    left_slot = int(str(assignment.left_slot))
    connection.execute(insert(RATINGS), rating_rows(answer, answer_id=answer_id, left_slot=left_slot))


def _count(connection: Connection, task: Row[int, str, str, str], *, was_active: bool, rules: AnswerRules) -> None:
    needed, is_ended = 0, False
    if task.kind == "rating":
        of_task = {"of_task": task.task_key}
        rows = connection.execute(_HELPFULNESS, of_task).all()
        needed = rules.ratings_needed([[row.helpfulness for row in rows if row.slot == slot] for slot in (0, 1)])
        is_ended = connection.execute(_NUM_FLAGGED, of_task).scalar_one() >= rules.flags_to_end
    values = {"of_task": task.task_key, "num_left": int(was_active), "new_need": needed, "is_ended": is_ended}
    connection.execute(_COUNTED, values)
