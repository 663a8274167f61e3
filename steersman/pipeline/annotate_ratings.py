"""Bring exported ratings into an annotation project again: tasks, and answers by users of the names they have there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from steersman.annotation.escalation import ratings_needed
from steersman.config.annotating import ProjectSettings
from steersman.errors import DataError, join_faults
from steersman.pipeline.annotate_projects import chosen_project
from steersman.pipeline.lineages import inherited
from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, open_database, writing
from steersman.store.database.imported_answers import ImportedAnswer, import_answers
from steersman.store.database.origin import Origin, add_origin
from steersman.store.database.people import add_member, add_user, read_users
from steersman.store.database.projects import read_project
from steersman.store.database.tasks import NewResponse, NewTask, add_tasks
from steersman.store.files import read_table, sha256_file
from steersman.tables import PREFERENCE_RATINGS, RATINGS

Row = Mapping[str, object]
# what an answer says in both of its rows
_OF_ANSWER = ("flags", "seconds", "created_at", "guideline_version", "surplus", "simulated")
_OF_TASK = ("prompt", "delivery", "gold")
# exports do not say who wrote a response
_GENERATOR = "unknown"


@dataclass(frozen=True, slots=True)
class _Read:
    """Tasks with their answers in order of submission, as a table of ratings tells of them."""

    tasks: Sequence[NewTask]
    answers: Sequence[ImportedAnswer]


def add_ratings(
    place: str | Path, ratings: Path, *, preferences: Path | None, project_id: str | None = None
) -> dict[str, object]:
    """Add the tasks and answers of a ratings table, and of a table of preferences that goes with it.

    Users that are not there yet are made, without passwords. The responses of a task are put in the order of their ids.
    Raises DataError that names what cannot have been said here, TakenError for a task that the project has.
    """
    rows = read_table(ratings, table=RATINGS).to_dicts()
    compared = [] if preferences is None else read_table(preferences, table=PREFERENCE_RATINGS).to_dicts()
    by = Act(None, datetime.now(UTC))
    try:
        found = _read(rows, compared, now=by.now)
    except DataError as error:
        raise DataError(f"{ratings}: {error}") from error
    beside = inherited([ratings], role="ratings")
    origin = Origin(beside.ancestors, {"ratings": sha256_file(ratings)}, beside.simulated)
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            chosen = chosen_project(connection, project_id)
            add_origin(connection, chosen, origin, now=by.now)
            people = _fill(connection, chosen, found, by=by)
    finally:
        engine.dispose()
    return {
        "project": chosen,
        "tasks": len(found.tasks),
        "ratings": len(rows),
        "preferences": len(compared),
        "new_users": people,
    }


def _fill(connection: Transaction, project_id: str, found: _Read, *, by: Act) -> list[str]:
    overlap = ProjectSettings.model_validate(read_project(connection, project_id).settings).overlap
    add_tasks(connection, project_id, found.tasks, need=overlap.first, by=by)
    known = {each.user_id for each in read_users(connection)}
    names = list(dict.fromkeys(each.user_id for each in found.answers))
    new = [name for name in names if name not in known]
    for name in new:
        add_user(connection, name, role="annotator", by=by)
    for name in names:
        add_member(connection, project_id, name, stage="working", by=by)
    needed = partial(ratings_needed, first=overlap.first, most=overlap.most, max_spread=overlap.max_spread)
    import_answers(connection, project_id, found.answers, ratings_needed=needed, by=by)
    return new


def _read(rows: Sequence[Row], compared: Sequence[Row], *, now: datetime) -> _Read:
    by_task: dict[str, list[Row]] = {}
    by_answer: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        task_id, annotator = str(row["task_id"]), str(row["annotator"])
        by_task.setdefault(task_id, []).append(row)
        by_answer.setdefault((task_id, annotator), []).append(row)
    preferences = {(str(row["task_id"]), str(row["annotator"])): row for row in compared}
    faults = [fault for name, given in by_task.items() for fault in _task_faults(name, given)]
    faults += [fault for key, given in by_answer.items() for fault in _answer_faults(key, given)]
    faults += [
        f"a preference on task {task!r} counts from response {row['first_response']!r}, which the task has not"
        for (task, _), row in preferences.items()
        if row["first_response"] not in (None, *(each["response_id"] for each in by_task.get(task, ())))
    ]
    faults += [
        f"a preference of {who!r} on task {task!r}, who did not rate it"
        for task, who in preferences.keys() - by_answer.keys()
    ]
    if faults:
        raise DataError(join_faults(faults))
    tasks = {name: _task(name, given) for name, given in by_task.items()}
    answers = [
        _answer(given, tasks[task_id], preference=preferences.get((task_id, who)), now=now)
        for (task_id, who), given in by_answer.items()
    ]
    return _Read([*tasks.values()], answers)


def _task_faults(name: str, rows: Sequence[Row]) -> list[str]:
    faults = []
    texts = {(row["response_id"], row["response"]) for row in rows}
    if len(texts) != 2 or len({response_id for response_id, _ in texts}) != 2:
        faults.append(f"task {name!r}: its rows must be of two responses, each with one text")
    faults += [
        f"task {name!r}: its rows differ in {column}" for column in _OF_TASK if len({row[column] for row in rows}) > 1
    ]
    return faults


def _answer_faults(key: tuple[str, str], rows: Sequence[Row]) -> list[str]:
    where = f"task {key[0]!r} of {key[1]!r}"
    if sorted(cast("int", row["position"]) for row in rows) != [0, 1] or len({row["response_id"] for row in rows}) != 2:
        return [f"{where}: needs one row for each response, at position 0 and 1"]
    faults = [f"{where}: its two rows differ in {name}" for name in _OF_ANSWER if rows[0][name] != rows[1][name]]
    try:
        _moment(rows[0]["created_at"], now=datetime.now(UTC))
    except ValueError:
        faults.append(f"{where}: created_at must be a time with its zone, got {rows[0]['created_at']!r}")
    return faults


def _task(name: str, rows: Sequence[Row]) -> NewTask:
    texts = {str(row["response_id"]): str(row["response"]) for row in rows}
    first, second = (NewResponse(each, texts[each], _GENERATOR, None) for each in sorted(texts))
    kind = "gold" if rows[0]["gold"] else "rating"
    delivery = cast("str | None", rows[0]["delivery"])
    return NewTask(name, str(rows[0]["prompt"]), (first, second), kind, delivery=delivery)


def _answer(rows: Sequence[Row], task: NewTask, *, preference: Row | None, now: datetime) -> ImportedAnswer:
    left, right = sorted(rows, key=lambda row: cast("int", row["position"]))
    left_slot = 0 if left["response_id"] == task.responses[0].response_id else 1
    answer = Answer(
        lease="",
        responses=(_scores(left), _scores(right)),
        flags=tuple(cast("list[str]", left["flags"] or [])),
        comparison=None if preference is None else _comparison(preference, task=task, left_slot=left_slot),
        simulated=cast("bool | None", left["simulated"]),
    )
    return ImportedAnswer(
        task_id=task.task_id,
        user_id=str(left["annotator"]),
        left_slot=left_slot,
        answer=answer,
        seconds=cast("float", left["seconds"] or 0.0),
        created_at=_moment(left["created_at"], now=now),
        guideline_version=str(left["guideline_version"] or ""),
        surplus=left["surplus"] is True,
    )


def _scores(row: Row) -> ResponseScores:
    scores = tuple(cast("int | None", row[name]) for name in ATTRIBUTES)
    return ResponseScores(scores, cast("int | None", row["confidence"]), cast("bool | None", row["safe"]))


def _comparison(row: Row, *, task: NewTask, left_slot: int) -> Comparison:
    strength = cast("int | None", row["strength"])
    # the export may have had the responses the other way round
    first_slot = 1 if row["first_response"] == task.responses[1].response_id else 0
    flips = 1 if left_slot == first_slot else -1
    justification = cast("str | None", row["justification"])
    return Comparison(None if strength is None else flips * strength, justification)


def _moment(text: object, *, now: datetime) -> datetime:
    """Return when something was said, `now` where nobody knows; raises ValueError for a time without a zone."""
    if text is None:
        return now
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment
