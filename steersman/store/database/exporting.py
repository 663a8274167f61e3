"""Read ratings and preferences out of a project, row by row, in order of submission."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Select, and_, case, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.task_tables import ASSIGNMENTS, RESPONSES, TASKS
from steersman.store.database.withdrawing import is_withdrawn

_ROWS_AT_ONCE = 2000
_KINDS = ("rating", "gold")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a stream of rows goes on: behind the row of this number."""

    after: int = 0
    limit: int | None = None


def read_ratings(
    connection: Connection, project_id: str, *, cursor: Cursor | None = None
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number and row (of the ratings table) of every rating that was not taken back, left response first.

    Answers of training and qualification tasks are left out. `seconds` is the time the page saw the annotator at work,
    or from claim to answer where nobody measured it. Rows come one by one at constant memory.
    """
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(_ratings(project_id, cursor or Cursor())):
        yield (
            row.rating_id,
            {
                "task_id": row.task_id,
                "prompt": row.prompt,
                "response_id": row.response_id,
                "response": row.response,
                "position": row.position,
                "annotator": row.user_id,
                **{attribute: getattr(row, attribute) for attribute in ATTRIBUTES},
                "confidence": row.confidence,
                "safe": row.safe,
                "flags": json.loads(row.flags),
                "seconds": row.seconds,
                "created_at": row.created_at,
                "delivery": row.delivery,
                "guideline_version": row.guideline_version,
                "gold": row.kind == "gold",
                "surplus": row.surplus,
                "simulated": row.simulated,
            },
        )


def read_preferences(
    connection: Connection, project_id: str, *, cursor: Cursor | None = None
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number and row (of the preference ratings table) of every comparison that counts.

    A positive strength says that the response of the second row of the task, in the order of its responses, is better.
    Surplus answers, gold tasks and what was taken back are left out.
    """
    where = cursor or Cursor()
    query = (
        select(
            ANSWERS.c.answer_id,
            TASKS.c.task_id,
            ASSIGNMENTS.c.user_id,
            ANSWERS.c.strength,
            ANSWERS.c.justification,
            ANSWERS.c.created_at,
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .where(
            TASKS.c.project_id == project_id,
            TASKS.c.kind == "rating",
            ANSWERS.c.compared,
            ANSWERS.c.surplus.is_(False),
            ~is_withdrawn(),
            ANSWERS.c.answer_id > where.after,
        )
        .order_by(ANSWERS.c.answer_id)
        .limit(where.limit)
    )
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        yield (
            row.answer_id,
            {
                "task_id": row.task_id,
                "annotator": row.user_id,
                "strength": row.strength,
                "justification": row.justification,
                "created_at": row.created_at,
            },
        )


def _ratings(project_id: str, cursor: Cursor) -> Select[tuple[object, ...]]:
    seconds = case((ANSWERS.c.active_seconds.is_not(None), ANSWERS.c.active_seconds), else_=ANSWERS.c.seconds)
    return (
        select(
            RATINGS.c.rating_id,
            RATINGS.c.position,
            *(RATINGS.c[attribute] for attribute in ATTRIBUTES),
            RATINGS.c.confidence,
            RATINGS.c.safe,
            ANSWERS.c.flags,
            seconds.label("seconds"),
            ANSWERS.c.created_at,
            ANSWERS.c.guideline_version,
            ANSWERS.c.surplus,
            ANSWERS.c.simulated,
            ASSIGNMENTS.c.user_id,
            TASKS.c.task_id,
            TASKS.c.prompt,
            TASKS.c.kind,
            TASKS.c.delivery,
            RESPONSES.c.response_id,
            RESPONSES.c.response,
        )
        .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(RESPONSES, and_(RESPONSES.c.task_key == ANSWERS.c.task_key, RESPONSES.c.slot == RATINGS.c.slot))
        .where(
            TASKS.c.project_id == project_id,
            TASKS.c.kind.in_(_KINDS),
            ~is_withdrawn(),
            RATINGS.c.rating_id > cursor.after,
        )
        .order_by(RATINGS.c.rating_id)
        .limit(cursor.limit)
    )
