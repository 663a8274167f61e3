"""Read tasks back as they were imported, to tell a batch that comes again from another one."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, Table, select

from steersman.records import ATTRIBUTES
from steersman.store.database.task_tables import KNOWN_SCORES, RESPONSES, TASKS
from steersman.store.database.tasks import KnownScores, NewResponse, NewTask

_Rows = dict[int, list[Row[tuple[object, ...]]]]


def stored_tasks(connection: Connection, project_id: str, task_ids: Sequence[str]) -> Mapping[str, NewTask]:
    """Return those of at most some thousand tasks that a project has, by their id."""
    where = (TASKS.c.project_id == project_id, TASKS.c.task_id.in_(task_ids))
    tasks = connection.execute(select(TASKS).where(*where)).all()
    keys = [row.task_key for row in tasks]
    responses, known = _rows(connection, RESPONSES, keys), _rows(connection, KNOWN_SCORES, keys)
    return {row.task_id: _task(row, responses[row.task_key], known.get(row.task_key)) for row in tasks}


def _rows(connection: Connection, table: Table, keys: Sequence[int]) -> _Rows:
    """Return the rows of some tasks in the order of their slots."""
    found: _Rows = {}
    query = select(table).where(table.c.task_key.in_(keys)).order_by(table.c.task_key, table.c.slot)
    for row in connection.execute(query):
        found.setdefault(row.task_key, []).append(row)
    return found


def _task(
    row: Row[tuple[object, ...]],
    responses: Sequence[Row[tuple[object, ...]]],
    known: Sequence[Row[tuple[object, ...]]] | None,
) -> NewTask:
    first, second = (
        NewResponse(each.response_id, each.response, each.generator, each.generator_licence) for each in responses
    )
    scores = None
    if known is not None:
        one, other = (
            KnownScores(tuple(getattr(each, name) for name in ATTRIBUTES), each.explanation) for each in known
        )
        scores = (one, other)
    return NewTask(
        row.task_id,
        row.prompt,
        (first, second),
        kind=row.kind,
        known=scores,
        priority=row.priority,
        delivery=row.delivery,
    )
