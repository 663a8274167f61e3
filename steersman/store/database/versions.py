"""List the versions of a project's settings and guideline; all of them are kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from steersman.store.database.task_tables import GUIDELINES, SETTINGS


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One version of the settings, as it was stored."""

    version: int
    settings: Mapping[str, object]
    created_at: str
    created_by: str | None


@dataclass(frozen=True, slots=True)
class GuidelineVersion:
    """One version of the guideline, without its text."""

    version: int
    created_at: str
    created_by: str | None


def settings_versions(connection: Connection, project_id: str, *, limit: int) -> list[SettingsVersion]:
    """Return the newest versions of the settings, newest first."""
    query = select(SETTINGS).where(SETTINGS.c.project_id == project_id).order_by(SETTINGS.c.version.desc())
    return [
        SettingsVersion(row.version, json.loads(row.settings), row.created_at, row.created_by)
        for row in connection.execute(query.limit(limit))
    ]


def guideline_versions_of(connection: Connection, project_id: str) -> list[GuidelineVersion]:
    """Return all versions of the guideline, newest first."""
    columns = (GUIDELINES.c.version, GUIDELINES.c.created_at, GUIDELINES.c.created_by)
    query = select(*columns).where(GUIDELINES.c.project_id == project_id).order_by(GUIDELINES.c.version.desc())
    return [GuidelineVersion(row.version, row.created_at, row.created_by) for row in connection.execute(query)]
