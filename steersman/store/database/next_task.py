"""Choose the next task for an annotator: one of a kind that they may have and do not know yet."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, exists, literal_column, or_, select

from steersman.store.database.task_tables import ASSIGNMENTS, HAS_FREE_PLACE, TASKS

_UNSEEN = (
    select(TASKS.c.task_key)
    .where(
        TASKS.c.project_id == bindparam("of_project"),
        ~exists().where(
            ASSIGNMENTS.c.task_key == TASKS.c.task_key,
            ASSIGNMENTS.c.user_id == bindparam("of_user"),
            ASSIGNMENTS.c.state != "expired",
        ),
    )
    .limit(1)
)
_NEXT_KNOWN = _UNSEEN.where(TASKS.c.kind == bindparam("of_kind"), TASKS.c.state == "open").order_by(TASKS.c.ordinal)
# as in HAS_FREE_PLACE, for the index of open tasks
_OPEN = _UNSEEN.where(TASKS.c.kind == literal_column("'rating'"), HAS_FREE_PLACE).order_by(
    TASKS.c.priority.desc(), TASKS.c.ordinal
)
_OPEN_NOT_PAUSED = _OPEN.where(
    or_(TASKS.c.delivery.is_(None), TASKS.c.delivery.not_in(bindparam("paused", expanding=True)))
)
# by whether deliveries are paused: first past the tasks that other transactions hold, then waiting for them
_NEXT_OPEN = {
    is_paused: (query.with_for_update(key_share=True, skip_locked=True), query.with_for_update(key_share=True))
    for is_paused, query in ((False, _OPEN), (True, _OPEN_NOT_PAUSED))
}
_ANY_OPEN = {False: _OPEN, True: _OPEN_NOT_PAUSED}


def has_rating_task(connection: Connection, project_id: str, user_id: str, *, paused_deliveries: Sequence[str]) -> bool:
    """Tell whether there is a rating task that an annotator could get; nothing is locked."""
    given: dict[str, object] = {"of_project": project_id, "of_user": user_id}
    if paused_deliveries:
        given["paused"] = [*paused_deliveries]
    return connection.execute(_ANY_OPEN[bool(paused_deliveries)], given).first() is not None


def next_task(
    connection: Connection, project_id: str, user_id: str, *, kind: str, paused_deliveries: Sequence[str]
) -> int | None:
    """Return the number of a task, None when there is none; a rating task is locked, and has a free place.

    Rating tasks go by priority, highest first, then in their order; the others in their order.
    """
    given: dict[str, object] = {"of_project": project_id, "of_user": user_id}
    if kind != "rating":
        return connection.execute(_NEXT_KNOWN, {**given, "of_kind": kind}).scalar()
    if paused_deliveries:
        given["paused"] = [*paused_deliveries]
    free, held = _NEXT_OPEN[bool(paused_deliveries)]
    found = connection.execute(free, given).scalar()
    # a task that another transaction holds may still have a place when that one ends
    return found if found is not None else connection.execute(held, given).scalar()
