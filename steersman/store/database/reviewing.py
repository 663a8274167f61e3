"""Keep what reviewers decide: answers accepted or rejected, final scores, tasks ended and opened again.

Nothing that was said is changed: every decision is a row of its own, and the newest one about a thing holds. Each
function runs inside one writing transaction and locks in the order of `store.database.leases`.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Row, insert, select, update

from steersman.errors import DataError
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.store.database.answer_tables import ADJUDICATIONS, ANSWERS, REVIEWS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import AlreadyAnsweredError, UnknownError
from steersman.store.database.leases import lock_member
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.withdrawing import Withdrawal, is_withdrawn, withdraw

# Answers of training and tests decide over their annotator's stage: they stay.
REVIEWED_KINDS = ("rating", "gold")
_NUM_RESPONSES = 2


def accept_answer(connection: Connection, project_id: str, answer_id: int, *, note: str | None, by: Act) -> None:
    """Keep that a reviewer found an answer right; raises AlreadyAnsweredError when it was taken back meanwhile."""
    found = _find_answer(connection, project_id, answer_id)
    if found.is_gone:
        raise AlreadyAnsweredError(f"answer {answer_id} was taken back; reload the page")
    _add_review(connection, found.task_key, verdict="accepted", answer_id=answer_id, note=note, by=by)
    record(
        connection,
        "answer.accepted",
        by=by,
        project_id=project_id,
        subject=found.lease,
        answer=answer_id,
        task=found.task_id,
        note=note,
    )


def reject_answer(connection: Connection, project_id: str, answer_id: int, *, note: str | None, by: Act) -> None:
    """Take an answer out: it counts no longer, and its place goes to somebody else, not to its annotator.

    Raises AlreadyAnsweredError when it was taken back before, DataError for an answer of training or a test.
    """
    user_id = str(_find_answer(connection, project_id, answer_id).user_id)
    lock_member(connection, project_id, user_id)
    found = _find_answer(connection, project_id, answer_id)
    if found.is_gone:
        raise AlreadyAnsweredError(f"answer {answer_id} was taken back already; reload the page")
    if found.kind not in REVIEWED_KINDS:
        raise DataError(f"answer {answer_id} belongs to {found.kind}; only answers of rating and gold tasks can go")
    withdraw(connection, answer_id, Withdrawal("rejected", note), by=by)
    _add_review(connection, found.task_key, verdict="rejected", answer_id=answer_id, note=note, by=by)


def adjudicate(
    connection: Connection, project_id: str, task_id: str, *, scores: Sequence[Sequence[int]], note: str | None, by: Act
) -> None:
    """Keep the final scores of a task, one row in the order of ATTRIBUTES per slot; the newest ones hold.

    Raises DataError for scores that are not two rows on the scale.
    """
    _check_scores(scores)
    task = _find_task(connection, project_id, task_id)
    review_id = _add_review(connection, task.task_key, verdict="adjudicated", answer_id=None, note=note, by=by)
    rows = [
        {"review_id": review_id, "slot": slot, **dict(zip(ATTRIBUTES, of_slot, strict=True))}
        for slot, of_slot in enumerate(scores)
    ]
    connection.execute(insert(ADJUDICATIONS), rows)
    given = [list(of_slot) for of_slot in scores]
    record(connection, "task.adjudicated", by=by, project_id=project_id, subject=task_id, scores=given, note=note)


def end_task(connection: Connection, project_id: str, task_id: str, *, note: str | None, by: Act) -> None:
    """Give a task to nobody any more; whoever holds it may still answer. Ending it again is harmless."""
    _change_state(connection, project_id, task_id, verdict="ended", note=note, by=by)


def reopen_task(connection: Connection, project_id: str, task_id: str, *, note: str | None, by: Act) -> None:
    """Give out a task that had ended, while places are free; doing so with an open one is harmless."""
    _change_state(connection, project_id, task_id, verdict="reopened", note=note, by=by)


def _change_state(
    connection: Connection, project_id: str, task_id: str, *, verdict: str, note: str | None, by: Act
) -> None:
    task = _find_task(connection, project_id, task_id)
    state = "ended" if verdict == "ended" else "open"
    if task.state == state:
        return
    connection.execute(update(TASKS).where(TASKS.c.task_key == task.task_key).values(state=state))
    _add_review(connection, task.task_key, verdict=verdict, answer_id=None, note=note, by=by)
    record(connection, f"task.{verdict}", by=by, project_id=project_id, subject=task_id, note=note)


def _add_review(
    connection: Connection, task_key: object, *, verdict: str, answer_id: int | None, note: str | None, by: Act
) -> int:
    values = {"task_key": task_key, "answer_id": answer_id, "user_id": by.actor, "verdict": verdict, "note": note}
    made = insert(REVIEWS).values(**values, created_at=timestamp(by.now)).returning(REVIEWS.c.review_id)
    return int(connection.execute(made).scalar_one())


def _find_answer(connection: Connection, project_id: str, answer_id: int) -> Row[tuple[object, ...]]:
    query = (
        select(
            ANSWERS.c.task_key,
            TASKS.c.task_id,
            TASKS.c.kind,
            ASSIGNMENTS.c.user_id,
            ASSIGNMENTS.c.lease,
            is_withdrawn().label("is_gone"),
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .where(ANSWERS.c.answer_id == answer_id, TASKS.c.project_id == project_id)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        raise UnknownError(f"there is no answer {answer_id} in project {project_id}")
    return found


def _find_task(connection: Connection, project_id: str, task_id: str) -> Row[tuple[object, ...]]:
    query = select(TASKS).where(TASKS.c.project_id == project_id, TASKS.c.task_id == task_id)
    found = connection.execute(query.with_for_update(key_share=True)).one_or_none()
    if found is None:
        raise UnknownError(f"there is no task {task_id[:80]!r} in project {project_id}")
    return found


def _check_scores(scores: Sequence[Sequence[int]]) -> None:
    are_whole = len(scores) == _NUM_RESPONSES and all(len(each) == len(ATTRIBUTES) for each in scores)
    if not are_whole or not all(MIN_SCORE <= score <= MAX_SCORE for each in scores for score in each):
        raise DataError(f"final scores are {_NUM_RESPONSES} rows of {len(ATTRIBUTES)}, each {MIN_SCORE} to {MAX_SCORE}")
