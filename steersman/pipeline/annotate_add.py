"""Add tasks to a project of an annotation database: more to rate, or tasks whose right scores are known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from steersman.config.annotating import ProjectSettings
from steersman.errors import ConfigError, DataError, join_faults
from steersman.pipeline.annotate_projects import chosen_project
from steersman.pipeline.annotate_tasks import Batch, Placing, read_batch
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.store.database.audit import Act
from steersman.store.database.connection import open_database, writing
from steersman.store.database.origin import add_origin
from steersman.store.database.projects import read_project
from steersman.store.database.tasks import KnownScores, NewTask, add_tasks
from steersman.store.files import read_table
from steersman.tables import Column, Table

# The scores that responses should get; null where any is fine.
KNOWN = Table(
    "known scores",
    {
        "response_id": Column("text"),
        **dict.fromkeys(ATTRIBUTES, Column("integer", nullable=True, low=MIN_SCORE, high=MAX_SCORE)),
        "explanation": Column("text", required=False, nullable=True),
    },
)


def add(
    place: str | Path,
    prompts: Path,
    responses: Path,
    *,
    placing: Placing,
    known: Path | None = None,
    project_id: str | None = None,
) -> dict[str, object]:
    """Add one task per kept prompt to a project, behind those it has.

    Every kind but `rating` needs a table of `known` scores for all its responses. Raises ConfigError where that is
    missing or not wanted, DataError for faulty tables, TakenError for a task that the project has.
    """
    if (known is None) != (placing.kind == "rating"):
        raise ConfigError(
            f"tasks of kind {placing.kind} need the right scores of their responses; give --known FILE"
            if known is None
            else "--known is for tasks of kind gold, training or qualification; give --kind"
        )
    batch = read_batch(prompts, responses, placing=placing)
    if known is not None:
        batch = replace(batch, tasks=_with_known(batch, known))
    by = Act(None, datetime.now(UTC))
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            chosen = chosen_project(connection, project_id)
            settings = ProjectSettings.model_validate(read_project(connection, chosen).settings)
            add_origin(connection, chosen, batch.origin, now=by.now)
            add_tasks(connection, chosen, batch.tasks, need=settings.overlap.first, by=by)
    finally:
        engine.dispose()
    return {
        "project": chosen,
        "kind": placing.kind,
        "tasks": len(batch.tasks),
        "prompts_rejected": batch.rejected,
    }


def _with_known(batch: Batch, path: Path) -> Sequence[NewTask]:
    rows = read_table(path, table=KNOWN).to_dicts()
    known = {str(row["response_id"]): row for row in rows}
    wanted = [response.response_id for task in batch.tasks for response in task.responses]
    times = Counter(str(row["response_id"]) for row in rows)
    faults = [f"response {name!r}: {count} rows have this id" for name, count in times.items() if count > 1]
    faults += [f"response {name!r}: no known scores" for name in wanted if name not in known]
    faults += [f"response {name!r}: no task has it" for name in known.keys() - set(wanted)]
    if faults:
        raise DataError(f"{path}: {join_faults(sorted(faults))}")
    return [replace(task, known=_of_task(task, known)) for task in batch.tasks]


def _of_task(task: NewTask, known: Mapping[str, Mapping[str, object]]) -> tuple[KnownScores, KnownScores]:
    first, second = (_scores(known[each.response_id]) for each in task.responses)
    return first, second


def _scores(row: Mapping[str, object]) -> KnownScores:
    scores = tuple(cast("int | None", row[name]) for name in ATTRIBUTES)
    return KnownScores(scores, cast("str | None", row["explanation"]))
