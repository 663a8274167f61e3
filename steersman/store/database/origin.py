"""Keep where the tasks of a project came from, and tell it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from steersman.store.database.audit import timestamp
from steersman.store.database.task_tables import ORIGINS
from steersman.store.lineage import Ancestor, merge_ancestors


@dataclass(frozen=True, slots=True)
class Origin:
    """The ancestors of all tasks, the SHA-256 of the tables they were made from, and whether any was simulated."""

    ancestors: Sequence[Ancestor]
    inputs: Mapping[str, str]
    simulated: bool


def add_origin(connection: Connection, project_id: str, origin: Origin, *, now: datetime) -> None:
    """Keep the origin of the tasks of one import."""
    ancestors = json.dumps([asdict(each) for each in origin.ancestors], ensure_ascii=False)
    row = {"ancestors": ancestors, "inputs": json.dumps(dict(origin.inputs)), "simulated": origin.simulated}
    connection.execute(insert(ORIGINS).values(project_id=project_id, created_at=timestamp(now), **row))


def read_origin(connection: Connection, project_id: str) -> Origin:
    """Return where the tasks of a project came from, all imports together.

    The inputs of a second import that are called as those of the first get a number behind their name.
    """
    query = select(ORIGINS).where(ORIGINS.c.project_id == project_id).order_by(ORIGINS.c.origin_id)
    ancestors: list[tuple[Ancestor, ...]] = []
    inputs: dict[str, str] = {}
    simulated = False
    for number, row in enumerate(connection.execute(query).all(), start=1):
        ancestors.append(tuple(Ancestor(**each) for each in json.loads(row.ancestors)))
        for name, sha256 in json.loads(row.inputs).items():
            inputs[name if name not in inputs else f"{name}-{number}"] = sha256
        simulated = simulated or row.simulated
    return Origin(merge_ancestors(ancestors), inputs, simulated)
