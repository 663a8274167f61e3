"""Let transactions that decide on the same thing wait for each other.

PostgreSQL locks rows in one order: user, project, member, leases, tasks by number. It locks them `FOR NO KEY UPDATE`,
so that rows which refer to them (`FOR KEY SHARE`) never wait: with `FOR UPDATE` two annotators of one task could each
wait for a third. SQLite has one writer, and ignores all of this.
"""

from sqlalchemy import Connection, func, select

from steersman.store.database.people_tables import USERS
from steersman.store.database.task_tables import PROJECTS

# the number under which all who choose new names queue; any fixed one will do
_NAMES = 5_318_008


def lock_names(connection: Connection) -> None:
    """Wait until nobody else is adding a user or project, changing roles, or making tables."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_NAMES)))


def lock_user(connection: Connection, user_id: str) -> None:
    """Wait until nobody else is changing what belongs to a user."""
    key = USERS.c.user_id == user_id
    connection.execute(select(USERS.c.user_id).where(key).with_for_update(key_share=True))


def lock_project(connection: Connection, project_id: str) -> None:
    """Wait until nobody else is adding tasks, settings or guidelines to a project."""
    key = PROJECTS.c.project_id == project_id
    connection.execute(select(PROJECTS.c.project_id).where(key).with_for_update(key_share=True))
