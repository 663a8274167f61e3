"""What holds for an annotator's next step, each in one statement: these are read at every claim and every answer."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.faults import UnknownError, UnknownLeaseError
from steersman.store.database.people_tables import GUIDELINES_SEEN
from steersman.store.database.task_tables import ASSIGNMENTS, GUIDELINES, SETTINGS, TASKS


@dataclass(frozen=True, slots=True)
class Standing:
    """The settings of a project as JSON text, its newest guideline, and the newest that the annotator has read."""

    settings: str
    newest_guideline: int
    seen_guideline: int | None


@dataclass(frozen=True, slots=True)
class LeaseStanding:
    """What an annotator's lease is for, since when they have it, and how many answers were given under it."""

    project_id: str
    kind: str
    claimed_at: str
    num_answers: int


def read_standing(connection: Connection, project_id: str, user_id: str) -> Standing:
    """Return what holds for a user in a project; raises UnknownError when there is no such project."""
    row = connection.execute(_STANDING, {"of_project": project_id, "of_user": user_id}).one()
    if row.settings is None or row.newest is None:
        raise UnknownError(f"there is no project {project_id[:80]!r}")
    return Standing(row.settings, row.newest, row.seen)


def read_lease_standing(connection: Connection, lease: str, *, user_id: str) -> LeaseStanding:
    """Return what a lease is for; raises UnknownLeaseError when it is not the annotator's."""
    row = connection.execute(_LEASE, {"of_lease": lease, "of_user": user_id}).one_or_none()
    if row is None:
        raise UnknownLeaseError("no such task was given to you; claim a task first")
    return LeaseStanding(row.project_id, row.kind, row.claimed_at, row.num_answers)


_STANDING = select(
    select(SETTINGS.c.settings)
    .where(SETTINGS.c.project_id == bindparam("of_project"))
    .order_by(SETTINGS.c.version.desc())
    .limit(1)
    .scalar_subquery()
    .label("settings"),
    select(func.max(GUIDELINES.c.version))
    .where(GUIDELINES.c.project_id == bindparam("of_project"))
    .scalar_subquery()
    .label("newest"),
    select(func.max(GUIDELINES_SEEN.c.version))
    .where(GUIDELINES_SEEN.c.project_id == bindparam("of_project"), GUIDELINES_SEEN.c.user_id == bindparam("of_user"))
    .scalar_subquery()
    .label("seen"),
)
_LEASE = (
    select(
        ASSIGNMENTS.c.project_id,
        ASSIGNMENTS.c.claimed_at,
        TASKS.c.kind,
        select(func.count())
        .where(ANSWERS.c.assignment_id == ASSIGNMENTS.c.assignment_id)
        .scalar_subquery()
        .label("num_answers"),
    )
    .join(TASKS, TASKS.c.task_key == ASSIGNMENTS.c.task_key)
    .where(ASSIGNMENTS.c.lease == bindparam("of_lease"), ASSIGNMENTS.c.user_id == bindparam("of_user"))
)
