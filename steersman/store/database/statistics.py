"""Read what statistics are made of: numbers without texts, fast and in few columns.

A row holds one answer with both its ratings, whose ten scores travel as one integer. N answers, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, and_, case, func, literal, select, text

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, AUDIT, RATINGS, WITHDRAWALS
from steersman.store.database.task_tables import ASSIGNMENTS

_ROWS_AT_ONCE = 10_000
# a score that was not given counts as a sixth level
_BASE = 6
_NO_SCORE = _BASE - 1
_CODES = _BASE ** len(ATTRIBUTES)
_TIME_LENGTH = len("2026-01-02T12:00:00.000000")
_SNAPSHOT = text(
    "SELECT pg_snapshot_xmin(found)::text::bigint, pg_snapshot_xmax(found)::text::bigint "
    "FROM pg_current_snapshot() AS found"
)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerRows:
    """Answers in order of their ids, whatever has become of them.

    `answer` (N,) is the id, `task` (N,) the key of the task, `annotator` (N,) the number of a user in the order they
    were met; `rating` (N,) the id of the left rating; `left_slot` (N,) which response was on the left; `scores`
    (N, 2, A) are of the left and the right response, -1 where there is none; `time` (N,) in microseconds since 1970 and
    UTC. `seconds` (N,) is the time that the page saw the annotator at work where `is_active` (N,), else that from claim
    to answer.
    """

    answer: npt.NDArray[np.int32]
    task: npt.NDArray[np.int32]
    annotator: npt.NDArray[np.int32]
    rating: npt.NDArray[np.int32]
    left_slot: npt.NDArray[np.int8]
    scores: npt.NDArray[np.int8]
    time: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    is_active: npt.NDArray[np.bool_]
    is_flagged: npt.NDArray[np.bool_]
    is_surplus: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the database: everything that could still appear with an id up to `settled` has appeared.

    `newest` is the highest id of an answer seen, `horizon` the first transaction not begun then; None on SQLite, where
    answers appear in the order of their ids.
    """

    newest: int
    settled: int
    horizon: int | None


def read_mark(connection: Connection, *, before: Mark | None) -> Mark:
    """Return where the reading of answers stands in this transaction, after an earlier one.

    On PostgreSQL an answer may be committed after one with a higher id. Once every transaction that had begun at
    `before` has ended, nothing can appear up to its `newest` any more.
    """
    newest = connection.execute(select(func.max(ANSWERS.c.answer_id))).scalar() or 0
    if connection.dialect.name != "postgresql":
        return Mark(newest, newest, None)
    oldest, horizon = connection.execute(_SNAPSHOT).one()
    if oldest == horizon:
        # nobody is writing
        return Mark(newest, newest, horizon)
    if before is None:
        return Mark(newest, 0, horizon)
    if before.horizon is None or oldest >= before.horizon:
        return Mark(newest, before.newest, horizon)
    # somebody who was writing then still is: the earlier moment stays the one to wait for
    return before


def newest_event(connection: Connection) -> int:
    """Return the number of the newest event; it changes with everything that changes anything."""
    return connection.execute(select(func.max(AUDIT.c.event_id))).scalar() or 0


def read_answers(connection: Connection, project_id: str, *, after: int, numbers: dict[str, int]) -> AnswerRows:
    """Return the answers of a project whose ids are above `after`.

    `numbers` gives the numbers of users and is added to where a new one is met.
    """
    most = connection.execute(select(func.count()).where(ANSWERS.c.answer_id > after)).scalar_one()
    # what is not written to takes no memory
    rows = _empty_rows(most)
    start = 0
    query = _answers(project_id, after=after)
    for part in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query).partitions():
        _fill(rows, slice(start, start + len(part)), part, numbers=numbers)
        start += len(part)
    return AnswerRows(**{each.name: getattr(rows, each.name)[:start] for each in fields(rows)})


def _answers(project_id: str, *, after: int) -> Select[tuple[object, ...]]:
    left, right = RATINGS.alias("left_rating"), RATINGS.alias("right_rating")
    return (
        select(
            ANSWERS.c.answer_id,
            ANSWERS.c.task_key,
            ASSIGNMENTS.c.user_id,
            left.c.rating_id,
            # scores, then four facts of one bit each: few objects make reading fast
            _code(left) * _CODES + _code(right),
            ASSIGNMENTS.c.left_slot
            + _bit(ANSWERS.c.active_seconds.is_not(None), 2)
            + _bit(ANSWERS.c.flags != "[]", 4)
            + _bit(ANSWERS.c.surplus, 8),
            ANSWERS.c.created_at,
            func.coalesce(ANSWERS.c.active_seconds, ANSWERS.c.seconds),
        )
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .join(left, and_(left.c.answer_id == ANSWERS.c.answer_id, left.c.position == 0))
        .join(right, and_(right.c.answer_id == ANSWERS.c.answer_id, right.c.position == 1))
        .where(ANSWERS.c.answer_id > after, ASSIGNMENTS.c.project_id == project_id)
        .order_by(ANSWERS.c.answer_id)
    )


def _fill(rows: AnswerRows, here: slice, part: Sequence[Row[tuple[object, ...]]], *, numbers: dict[str, int]) -> None:
    answer, task, user, rating, code, bits, time, seconds = zip(*part, strict=True)
    facts = np.array(bits, dtype=np.int8)
    rows.answer[here] = answer
    rows.task[here] = task
    rows.annotator[here] = [numbers.setdefault(each, len(numbers)) for each in user]
    rows.rating[here] = rating
    rows.left_slot[here] = facts & 1
    rows.scores[here] = _decoded(np.array(code, dtype=np.int64))
    rows.time[here] = _microseconds(time)
    rows.seconds[here] = seconds
    rows.is_active[here] = (facts & 2) > 0
    rows.is_flagged[here] = (facts & 4) > 0
    rows.is_surplus[here] = (facts & 8) > 0


def _empty_rows(number: int) -> AnswerRows:
    return AnswerRows(
        answer=np.empty(number, dtype=np.int32),
        task=np.empty(number, dtype=np.int32),
        annotator=np.empty(number, dtype=np.int32),
        rating=np.empty(number, dtype=np.int32),
        left_slot=np.empty(number, dtype=np.int8),
        scores=np.empty((number, 2, len(ATTRIBUTES)), dtype=np.int8),
        time=np.empty(number, dtype=np.int64),
        seconds=np.empty(number, dtype=np.float64),
        is_active=np.empty(number, dtype=np.bool_),
        is_flagged=np.empty(number, dtype=np.bool_),
        is_surplus=np.empty(number, dtype=np.bool_),
    )


def read_withdrawn(connection: Connection) -> dict[str, npt.NDArray[np.int32]]:
    """Return the ids of all answers that were taken back, by reason."""
    return {
        reason: np.array(
            connection.execute(select(WITHDRAWALS.c.answer_id).where(WITHDRAWALS.c.reason == reason)).scalars().all(),
            dtype=np.int32,
        )
        for reason in ("undone", "rejected")
    }


def _code(ratings: FromClause) -> ColumnElement[int]:
    total: ColumnElement[int] = literal(0)
    for name in ATTRIBUTES:
        total = total * _BASE + func.coalesce(ratings.c[name], _NO_SCORE)
    return total


def _bit(condition: ColumnElement[bool], value: int) -> ColumnElement[int]:
    return case((condition, value), else_=0)


def _decoded(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    number = len(ATTRIBUTES)
    scores = np.empty((codes.size, 2, number), dtype=np.int8)
    for index in range(2 * number - 1, -1, -1):
        codes, scores[:, index // number, index % number] = np.divmod(codes, _BASE)
    scores[scores == _NO_SCORE] = -1
    return scores


def _microseconds(times: Sequence[str]) -> npt.NDArray[np.int64]:
    # UTC of fixed width: what is cut off is the zone
    return np.array(times, dtype=f"U{_TIME_LENGTH}").astype("datetime64[us]").astype(np.int64)
