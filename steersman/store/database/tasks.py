"""Put tasks into a project, and tell how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, or_, select

from steersman.records import ATTRIBUTES
from steersman.store.database.audit import Act, record
from steersman.store.database.faults import TakenError
from steersman.store.database.locking import lock_project
from steersman.store.database.task_tables import IS_FINISHED, KNOWN_SCORES, RESPONSES, TASKS

# SQLite takes at most 32,766 values in one statement
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class NewResponse:
    """A response of a task to be made."""

    response_id: str
    response: str
    generator: str
    generator_licence: str | None


@dataclass(frozen=True, slots=True)
class KnownScores:
    """The scores that a response should get, in the order of ATTRIBUTES; None where any is fine."""

    scores: tuple[int | None, ...]
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be made: a prompt in HelpSteer2's text form and its two responses.

    `known` holds the right scores of both responses, for every kind but `rating`.
    """

    task_id: str
    prompt: str
    responses: tuple[NewResponse, NewResponse]
    kind: str = "rating"
    known: tuple[KnownScores, KnownScores] | None = None
    priority: int = 0
    delivery: str | None = None


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """How many rating tasks a project has, how many are finished, and how many ended without their ratings."""

    tasks: int
    finished: int
    ended: int


def add_tasks(connection: Connection, project_id: str, tasks: Sequence[NewTask], *, need: int, by: Act) -> None:
    """Add tasks to a project, behind those it has; at equal priority they are given out in this order.

    Raises TakenError when a task id is taken. `need` is how many annotators each rating task gets at first.
    """
    if not tasks:
        return
    lock_project(connection, project_id)
    _check_new(connection, project_id, [task.task_id for task in tasks])
    last = connection.execute(select(func.max(TASKS.c.ordinal)).where(TASKS.c.project_id == project_id)).scalar()
    start = 0 if last is None else last + 1
    for first in range(0, len(tasks), _ROWS_AT_ONCE):
        part = tasks[first : first + _ROWS_AT_ONCE]
        _insert(connection, project_id, part, need=need, start=start + first)
    record(
        connection,
        "tasks.added",
        by=by,
        project_id=project_id,
        subject=project_id,
        tasks=len(tasks),
        kinds=sorted({task.kind for task in tasks}),
    )


def count_tasks(connection: Connection, project_id: str) -> TaskCounts:
    """Return how many rating tasks there are, and how many are finished or ended."""
    mine = (TASKS.c.project_id == project_id, TASKS.c.kind == "rating")

    def count(*conditions: object) -> int:
        query = select(func.count()).select_from(TASKS).where(*mine, *conditions)  # type: ignore[arg-type]
        return int(connection.execute(query).scalar_one())

    ended = TASKS.c.state == "ended"
    return TaskCounts(count(), count(or_(IS_FINISHED, ended)), count(ended))


def count_kind(connection: Connection, project_id: str, *, kind: str) -> int:
    """Return how many open tasks of a kind a project has."""
    query = select(func.count()).where(TASKS.c.project_id == project_id, TASKS.c.kind == kind, TASKS.c.state == "open")
    return int(connection.execute(query).scalar_one())


def _check_new(connection: Connection, project_id: str, task_ids: Sequence[str]) -> None:
    for first in range(0, len(task_ids), _ROWS_AT_ONCE):
        part = task_ids[first : first + _ROWS_AT_ONCE]
        query = select(TASKS.c.task_id).where(TASKS.c.project_id == project_id, TASKS.c.task_id.in_(part))
        taken = connection.execute(query.order_by(TASKS.c.task_id)).scalars().first()
        if taken is not None:
            raise TakenError(f"project {project_id} has a task {taken!r} already; nothing was added")


def _insert(connection: Connection, project_id: str, tasks: Sequence[NewTask], *, need: int, start: int) -> None:
    rows = [
        {
            "project_id": project_id,
            "task_id": task.task_id,
            "kind": task.kind,
            "state": "open",
            "priority": task.priority,
            "ordinal": ordinal,
            "delivery": task.delivery,
            "prompt": task.prompt,
            "need": need if task.kind == "rating" else 0,
            "num_active": 0,
            "num_done": 0,
        }
        for ordinal, task in enumerate(tasks, start=start)
    ]
    connection.execute(insert(TASKS), rows)
    ids = [task.task_id for task in tasks]
    keys = {
        row.task_id: row.task_key
        for row in connection.execute(
            select(TASKS.c.task_id, TASKS.c.task_key).where(TASKS.c.project_id == project_id, TASKS.c.task_id.in_(ids))
        )
    }
    connection.execute(
        insert(RESPONSES),
        [
            {
                "task_key": keys[task.task_id],
                "slot": slot,
                "response_id": response.response_id,
                "response": response.response,
                "generator": response.generator,
                "generator_licence": response.generator_licence,
            }
            for task in tasks
            for slot, response in enumerate(task.responses)
        ],
    )
    known = [
        {"task_key": keys[task.task_id], "slot": slot, **_scores(each), "explanation": each.explanation}
        for task in tasks
        for slot, each in enumerate(task.known or ())
    ]
    if known:
        connection.execute(insert(KNOWN_SCORES), known)


def _scores(known: KnownScores) -> dict[str, int | None]:
    return dict(zip(ATTRIBUTES, known.scores, strict=True))
