"""Deliveries: which tasks belong together, and which of them go first."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from steersman.store.database.audit import Act, record
from steersman.store.database.faults import UnknownError
from steersman.store.database.task_tables import TASKS


@dataclass(frozen=True, slots=True)
class DeliveryPriority:
    """The rating tasks of a delivery, None for those without one, and from lowest to highest priority among them."""

    name: str | None
    tasks: int
    lowest: int
    highest: int


def read_priorities(connection: Connection, project_id: str) -> list[DeliveryPriority]:
    """Return the deliveries of a project in the order of their tasks. Looks at every task."""
    query = (
        select(TASKS.c.delivery, func.count(), func.min(TASKS.c.priority), func.max(TASKS.c.priority))
        .where(TASKS.c.project_id == project_id, TASKS.c.kind == "rating")
        .group_by(TASKS.c.delivery)
        .order_by(func.min(TASKS.c.ordinal))
    )
    return [DeliveryPriority(*row) for row in connection.execute(query)]


def set_priority(connection: Connection, project_id: str, delivery: str | None, *, priority: int, by: Act) -> None:
    """Let the rating tasks of a delivery go before those of lower priority; raises UnknownError when there is none."""
    is_meant = TASKS.c.delivery.is_(None) if delivery is None else TASKS.c.delivery == delivery
    where = (TASKS.c.project_id == project_id, TASKS.c.kind == "rating", is_meant)
    # tasks are locked by number, as everywhere
    keys = connection.execute(
        select(TASKS.c.task_key).where(*where).order_by(TASKS.c.task_key).with_for_update(key_share=True)
    )
    num_tasks = len(keys.all())
    if not num_tasks:
        raise UnknownError(f"project {project_id} has no tasks of delivery {(delivery or '')[:80]!r}")
    connection.execute(update(TASKS).where(*where).values(priority=priority))
    record(
        connection,
        "delivery.priority_changed",
        by=by,
        project_id=project_id,
        subject=delivery,
        priority=priority,
        tasks=num_tasks,
    )
