"""Keep where the tasks of a database came from, and tell it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, insert, select

from steersman.store.database.schema import ORIGIN, RESPONSES
from steersman.store.lineage import Ancestor


@dataclass(frozen=True, slots=True)
class Origin:
    """The ancestors of all tasks, the SHA-256 of the tables they were made from, and whether any was simulated."""

    ancestors: Sequence[Ancestor]
    inputs: Mapping[str, str]
    simulated: bool


def add_origin(connection: Connection, origin: Origin) -> None:
    """Insert the origin of the tasks; a database has one."""
    ancestors = json.dumps([asdict(each) for each in origin.ancestors], ensure_ascii=False)
    row = {"ancestors": ancestors, "inputs": json.dumps(dict(origin.inputs)), "simulated": origin.simulated}
    connection.execute(insert(ORIGIN).values(origin_id=1, **row))


def read_origin(connection: Connection, *, name: str) -> Origin:
    """Return where the tasks came from.

    A database made before this was kept knows its generators only: its prompts are then data called `name`, of
    unknown licence.
    """
    row = connection.execute(select(ORIGIN)).one_or_none()
    if row is not None:
        ancestors = tuple(Ancestor(**each) for each in json.loads(row.ancestors))
        return Origin(ancestors, json.loads(row.inputs), row.simulated)
    query = select(RESPONSES.c.generator, RESPONSES.c.generator_licence).distinct()
    generators = connection.execute(query.order_by(RESPONSES.c.generator)).all()
    answered = (Ancestor(row.generator, "model", "responses", row.generator_licence) for row in generators)
    return Origin((Ancestor(name, "data", "prompts", None), *answered), {}, simulated=False)
