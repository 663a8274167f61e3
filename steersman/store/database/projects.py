"""Make projects, and keep the versions of their settings and guidelines; the newest version holds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, Text, bindparam, func, insert, select

from steersman.errors import ConfigError
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.locking import lock_names, lock_project, lock_user
from steersman.store.database.people_tables import GUIDELINES_SEEN
from steersman.store.database.task_tables import GUIDELINES, PROJECTS, SETTINGS

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_OF_PROJECT = bindparam("of_project", type_=Text)
_NEWEST_SETTINGS = (
    select(SETTINGS.c.settings).where(SETTINGS.c.project_id == _OF_PROJECT).order_by(SETTINGS.c.version.desc()).limit(1)
)
_NEWEST_GUIDELINE = select(func.max(GUIDELINES.c.version)).where(GUIDELINES.c.project_id == _OF_PROJECT)
_SEEN_GUIDELINE = select(func.max(GUIDELINES_SEEN.c.version)).where(
    GUIDELINES_SEEN.c.project_id == _OF_PROJECT, GUIDELINES_SEEN.c.user_id == bindparam("of_user")
)
_GUIDELINE_VERSIONS = select(_NEWEST_GUIDELINE.scalar_subquery(), _SEEN_GUIDELINE.scalar_subquery())


@dataclass(frozen=True, slots=True)
class Project:
    """A project; `settings` is the newest version as it was stored."""

    project_id: str
    title: str
    created_at: str
    settings: Mapping[str, object]
    settings_version: int


@dataclass(frozen=True, slots=True)
class Guideline:
    """One version of what annotators are told, as Markdown."""

    version: int
    markdown: str
    created_at: str
    created_by: str | None


def add_project(
    connection: Connection,
    project_id: str,
    *,
    title: str,
    settings: Mapping[str, object],
    guideline: str,
    by: Act,
) -> None:
    """Make a project with the first version of its settings and guideline.

    Raises ConfigError for an id that is not lower-case letters, digits and hyphens, TakenError when it exists.
    """
    if not _ID.fullmatch(project_id):
        raise ConfigError(f"project id {project_id[:80]!r}: use up to 63 of a-z, 0-9 and -, not - first")
    lock_names(connection)
    if connection.execute(select(PROJECTS.c.project_id).where(PROJECTS.c.project_id == project_id)).first():
        raise TakenError(f"there is a project {project_id} already; choose another id")
    connection.execute(insert(PROJECTS).values(project_id=project_id, title=title, created_at=timestamp(by.now)))
    record(connection, "project.created", by=by, project_id=project_id, subject=project_id)
    change_settings(connection, project_id, settings, by=by)
    change_guideline(connection, project_id, guideline, by=by)


def change_settings(connection: Connection, project_id: str, settings: Mapping[str, object], *, by: Act) -> int:
    """Add a version of the settings and return its number."""
    text = json.dumps(dict(settings), ensure_ascii=False, sort_keys=True)
    return _add_version(connection, SETTINGS, project_id, {"settings": text}, by=by)


def change_guideline(connection: Connection, project_id: str, markdown: str, *, by: Act) -> int:
    """Add a version of the guideline and return its number; every annotator is shown it before their next task."""
    return _add_version(connection, GUIDELINES, project_id, {"markdown": markdown}, by=by)


def read_project(connection: Connection, project_id: str) -> Project:
    """Return a project; raises UnknownError when there is none of this id."""
    row = connection.execute(select(PROJECTS).where(PROJECTS.c.project_id == project_id)).one_or_none()
    if row is None:
        raise UnknownError(f"there is no project {project_id[:80]!r}")
    newest = connection.execute(
        select(SETTINGS).where(SETTINGS.c.project_id == project_id).order_by(SETTINGS.c.version.desc()).limit(1)
    ).one()
    return Project(project_id, row.title, row.created_at, json.loads(newest.settings), newest.version)


def newest_settings(connection: Connection, project_id: str) -> str:
    """Return the settings that hold, as JSON text; raises UnknownError when there is no such project."""
    found = connection.execute(_NEWEST_SETTINGS, {"of_project": project_id}).scalar()
    if found is None:
        raise UnknownError(f"there is no project {project_id[:80]!r}")
    return str(found)


def project_ids(connection: Connection) -> list[str]:
    """Return the ids of all projects, oldest first."""
    query = select(PROJECTS.c.project_id).order_by(PROJECTS.c.created_at, PROJECTS.c.project_id)
    return list(connection.execute(query).scalars())


def read_guideline(connection: Connection, project_id: str, *, version: int | None = None) -> Guideline:
    """Return a version of the guideline, the newest when none is named; raises UnknownError when there is none."""
    query = select(GUIDELINES).where(GUIDELINES.c.project_id == project_id)
    query = query if version is None else query.where(GUIDELINES.c.version == version)
    row = connection.execute(query.order_by(GUIDELINES.c.version.desc()).limit(1)).one_or_none()
    if row is None:
        raise UnknownError(f"there is no such version of the guideline of {project_id[:80]!r}")
    return Guideline(row.version, row.markdown, row.created_at, row.created_by)


def guideline_versions(connection: Connection, project_id: str, user_id: str) -> tuple[int, int | None]:
    """Return the newest version of the guideline, and the newest that a user has read, None when there is none."""
    row = connection.execute(_GUIDELINE_VERSIONS, {"of_project": project_id, "of_user": user_id}).one()
    return int(row[0]), row[1]


def seen_guideline(connection: Connection, project_id: str, user_id: str) -> int | None:
    """Return the newest version of the guideline that a user has said to have read, None when there is none."""
    return connection.execute(
        select(func.max(GUIDELINES_SEEN.c.version)).where(
            GUIDELINES_SEEN.c.project_id == project_id, GUIDELINES_SEEN.c.user_id == user_id
        )
    ).scalar()


def mark_guideline_seen(connection: Connection, project_id: str, user_id: str, *, version: int, now: datetime) -> None:
    """Keep that a user has read a version of the guideline; saying so again is harmless."""
    read_guideline(connection, project_id, version=version)
    lock_user(connection, user_id)
    key = {"project_id": project_id, "user_id": user_id, "version": version}
    where = [getattr(GUIDELINES_SEEN.c, name) == value for name, value in key.items()]
    if connection.execute(select(GUIDELINES_SEEN.c.version).where(*where)).first() is None:
        connection.execute(insert(GUIDELINES_SEEN).values(**key, seen_at=timestamp(now)))
        record(
            connection,
            "guideline.seen",
            by=Act(user_id, now),
            project_id=project_id,
            subject=user_id,
            version=version,
        )


def _add_version(
    connection: Connection,
    table: Table,
    project_id: str,
    values: Mapping[str, str],
    *,
    by: Act,
) -> int:
    lock_project(connection, project_id)
    highest = connection.execute(select(func.max(table.c.version)).where(table.c.project_id == project_id)).scalar()
    version = (highest or 0) + 1
    connection.execute(
        insert(table).values(
            project_id=project_id, version=version, created_at=timestamp(by.now), created_by=by.actor, **values
        )
    )
    record(
        connection,
        f"{table.name}.changed",
        by=by,
        project_id=project_id,
        subject=project_id,
        version=version,
    )
    return version
