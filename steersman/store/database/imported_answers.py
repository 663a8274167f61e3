"""Take in answers that were given elsewhere, with the time, guideline and annotator they had there."""

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, insert, select, update

from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.answers import Answer, RatingsNeeded, answer_sha256, rating_rows
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.people_tables import MEMBERS
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS

_AT_ONCE = 500
_HELPFULNESS = 0


@dataclass(frozen=True, slots=True)
class ImportedAnswer:
    """One annotator's answer on a task; `left_slot` is the response that stood left."""

    task_id: str
    user_id: str
    left_slot: int
    answer: Answer
    seconds: float
    created_at: datetime
    guideline_version: str
    surplus: bool


def import_answers(
    connection: Connection,
    project_id: str,
    answers: Sequence[ImportedAnswer],
    *,
    ratings_needed: RatingsNeeded,
    by: Act,
) -> None:
    """Keep answers in their order, on tasks that have none yet, by members of the project.

    Nobody answers a task twice. A task needs as many annotators as its answers, or the rule, ask for.
    """
    task_ids = list(dict.fromkeys(each.task_id for each in answers))
    keys = _task_keys(connection, project_id, task_ids)
    for first in range(0, len(answers), _AT_ONCE):
        _insert(connection, project_id, answers[first : first + _AT_ONCE], keys=keys)
    by_task: dict[str, list[ImportedAnswer]] = {}
    for each in answers:
        if not each.surplus:
            by_task.setdefault(each.task_id, []).append(each)
    for task_id, given in by_task.items():
        _count(connection, keys[task_id], given, ratings_needed=ratings_needed)
    for user_id, count in Counter(each.user_id for each in answers).items():
        where = (MEMBERS.c.project_id == project_id, MEMBERS.c.user_id == user_id)
        connection.execute(update(MEMBERS).where(*where).values(num_answered=MEMBERS.c.num_answered + count))
    record(
        connection,
        "answers.imported",
        by=by,
        project_id=project_id,
        subject=project_id,
        answers=len(answers),
    )


def _task_keys(connection: Connection, project_id: str, task_ids: Sequence[str]) -> dict[str, int]:
    keys: dict[str, int] = {}
    for first in range(0, len(task_ids), _AT_ONCE):
        part = task_ids[first : first + _AT_ONCE]
        query = select(TASKS.c.task_id, TASKS.c.task_key).where(
            TASKS.c.project_id == project_id, TASKS.c.task_id.in_(part)
        )
        keys |= {row.task_id: row.task_key for row in connection.execute(query)}
    return keys


def _insert(
    connection: Connection, project_id: str, answers: Sequence[ImportedAnswer], *, keys: Mapping[str, int]
) -> None:
    leases = [_lease_row(each, project_id=project_id, task_key=keys[each.task_id]) for each in answers]
    made = insert(ASSIGNMENTS).returning(ASSIGNMENTS.c.assignment_id, sort_by_parameter_order=True)
    assignment_ids = connection.execute(made, leases).scalars().all()
    rows = [
        {**_answer_row(each), "task_key": keys[each.task_id], "assignment_id": assignment_id}
        for each, assignment_id in zip(answers, assignment_ids, strict=True)
    ]
    kept = insert(ANSWERS).returning(ANSWERS.c.answer_id, sort_by_parameter_order=True)
    answer_ids = connection.execute(kept, rows).scalars().all()
    ratings = [
        row
        for each, answer_id in zip(answers, answer_ids, strict=True)
        for row in rating_rows(each.answer, answer_id=answer_id, left_slot=each.left_slot)
    ]
    connection.execute(insert(RATINGS), ratings)


def _lease_row(each: ImportedAnswer, *, project_id: str, task_key: int) -> dict[str, object]:
    ended = timestamp(each.created_at)
    return {
        "lease": secrets.token_urlsafe(16),
        "project_id": project_id,
        "task_key": task_key,
        "user_id": each.user_id,
        "state": "surplus" if each.surplus else "done",
        "left_slot": each.left_slot,
        "claimed_at": timestamp(each.created_at - timedelta(seconds=each.seconds)),
        "expires_at": ended,
    }


def _answer_row(each: ImportedAnswer) -> dict[str, object]:
    comparison = each.answer.comparison
    flips = -1 if each.left_slot == 1 else 1
    return {
        "revision": 0,
        "flags": json.dumps(sorted(each.answer.flags)),
        "compared": comparison is not None,
        "strength": None if comparison is None or comparison.strength is None else flips * comparison.strength,
        "justification": None if comparison is None else comparison.justification,
        "seconds": each.seconds,
        "active_seconds": each.answer.active_seconds,
        "created_at": timestamp(each.created_at),
        "guideline_version": each.guideline_version,
        "surplus": each.surplus,
        "simulated": each.answer.simulated,
        "sha256": answer_sha256(each.answer),
    }


def _count(
    connection: Connection, task_key: int, given: Sequence[ImportedAnswer], *, ratings_needed: RatingsNeeded
) -> None:
    by_slot: list[list[int | None]] = [[], []]
    for each in given:
        for position, said in enumerate(each.answer.responses):
            by_slot[each.left_slot if position == 0 else 1 - each.left_slot].append(said.scores[_HELPFULNESS])
    need = max(len(given), ratings_needed(by_slot))
    values = {"num_done": len(given), "need": case((TASKS.c.kind == "rating", need), else_=0)}
    connection.execute(update(TASKS).where(TASKS.c.task_key == task_key).values(values))
