"""Read ratings and preferences out of a project, row by row, in order of submission."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Select, and_, case, func, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.task_tables import ASSIGNMENTS, RESPONSES, TASKS
from steersman.store.database.withdrawing import is_withdrawn
from steersman.tables import RATINGS as RATINGS_TABLE

_ROWS_AT_ONCE = 2000
_KINDS = ("rating", "gold")
# the tables whose numbers a stream goes by, see connection.reading_in_order
NUMBERED = (ANSWERS, RATINGS)
_RATING_COLUMNS = tuple(RATINGS_TABLE.columns)


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
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(_ratings(project_id, cursor or Cursor()))
    for found in rows:
        number, *values = cast("Sequence[Any]", found)
        row: dict[str, object] = dict(zip(_RATING_COLUMNS, values, strict=True))
        row["flags"] = [*_parsed_flags(str(row["flags"]))]
        yield number, row


def count_rated_tasks(connection: Connection, project_id: str) -> int:
    """Return how many tasks the rows of `read_ratings` are of."""
    query = (
        select(func.count(ANSWERS.c.task_key.distinct()))
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .where(ASSIGNMENTS.c.project_id == project_id, TASKS.c.kind.in_(_KINDS), ~is_withdrawn())
    )
    return int(connection.execute(query).scalar_one())


def read_preferences(
    connection: Connection, project_id: str, *, cursor: Cursor | None = None
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number and row (of the preference ratings table) of every comparison that counts.

    A negative strength says that the response `first_response` is better, a positive one that the other is. Surplus
    answers, gold tasks and what was taken back are left out.
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
            RESPONSES.c.response_id,
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(RESPONSES, and_(RESPONSES.c.task_key == ANSWERS.c.task_key, RESPONSES.c.slot == 0))
        .where(
            ASSIGNMENTS.c.project_id == project_id,
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
                "first_response": row.response_id,
            },
        )


def _ratings(project_id: str, cursor: Cursor) -> Select[tuple[object, ...]]:
    seconds = case((ANSWERS.c.active_seconds.is_not(None), ANSWERS.c.active_seconds), else_=ANSWERS.c.seconds)
    columns = {
        "task_id": TASKS.c.task_id,
        "prompt": TASKS.c.prompt,
        "response_id": RESPONSES.c.response_id,
        "response": RESPONSES.c.response,
        "position": RATINGS.c.position,
        "annotator": ASSIGNMENTS.c.user_id,
        **{attribute: RATINGS.c[attribute] for attribute in ATTRIBUTES},
        "confidence": RATINGS.c.confidence,
        "safe": RATINGS.c.safe,
        "flags": ANSWERS.c.flags,
        "seconds": seconds,
        "created_at": ANSWERS.c.created_at,
        "delivery": TASKS.c.delivery,
        "guideline_version": ANSWERS.c.guideline_version,
        "gold": TASKS.c.kind == "gold",
        "surplus": ANSWERS.c.surplus,
        "simulated": ANSWERS.c.simulated,
    }
    return (
        select(RATINGS.c.rating_id, *(columns[name].label(name) for name in _RATING_COLUMNS))
        .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(RESPONSES, and_(RESPONSES.c.task_key == ANSWERS.c.task_key, RESPONSES.c.slot == RATINGS.c.slot))
        .where(
            # by a column without an index, so that rows are read in their order instead of being sorted
            ASSIGNMENTS.c.project_id == project_id,
            TASKS.c.kind.in_(_KINDS),
            ~is_withdrawn(),
            RATINGS.c.rating_id > cursor.after,
        )
        .order_by(RATINGS.c.rating_id)
        .limit(cursor.limit)
    )


@lru_cache(maxsize=64)
def _parsed_flags(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
