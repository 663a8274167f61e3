"""Make the database of an annotation site: one project with its tasks, an owner, and annotators."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from steersman.config.annotating import ProjectSettings
from steersman.errors import ConfigError
from steersman.pipeline.annotate_tasks import Batch, read_batch
from steersman.store.database.audit import Act
from steersman.store.database.connection import (
    Database,
    Transaction,
    check_is_free,
    create_database,
    is_url,
    shown_place,
    writing,
)
from steersman.store.database.invitations import NewInvitation, add_invitation
from steersman.store.database.origin import add_origin
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project
from steersman.store.database.tasks import add_tasks
from steersman.store.database.tokens import add_token
from steersman.store.files import renamed_when_whole

OWNER = "owner"
OWNER_SCOPES = ("read", "review", "manage", "people")
# what nobody used by then is made anew with `steersman annotate invite`
INVITATION_LASTS = timedelta(days=30)
JOIN_PATH = "/join?code="
_DEFAULT_ID = "main"
_NOT_IN_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class NewProject:
    """How a project is called and works; `project_id` None takes the name of the database."""

    settings: ProjectSettings
    guideline: str
    project_id: str | None = None
    title: str | None = None


def init(prompts: Path, responses: Path, *, out: str | Path, annotators: int, project: NewProject) -> dict[str, object]:
    """Make the database `out`, a path or a URL: one task per prompt, an owner, and annotators.

    Their tokens and the links by which they set their passwords are shown only here. Raises ConfigError for no
    annotators, DataError for faulty tables, RunError when `out` holds something.
    """
    overlap = project.settings.overlap
    if annotators < 1:
        raise ConfigError(f"annotators must be at least 1, got {annotators}; a task needs up to {overlap.most}")
    check_is_free(out)
    batch = read_batch(prompts, responses)
    names = [f"annotator-{number:0{len(str(annotators))}d}" for number in range(1, annotators + 1)]
    project_id = project.project_id or _id_of(out)
    doors = _made(out, batch, project_id=project_id, project=project, names=names)
    owner, *people = doors
    notes = [f"a task may need {overlap.most} annotators; some will stay unfinished with {annotators}"]
    return {
        "database": shown_place(out),
        "project": project_id,
        "tasks": len(batch.tasks),
        "prompts_rejected": batch.rejected,
        "owner": {"user": OWNER, **owner},
        "annotators": [{"annotator": name, **each} for name, each in zip(names, people, strict=True)],
        "notes": notes if annotators < overlap.most else [],
    }


def add_person(connection: Transaction, name: str, *, role: str, by: Act) -> dict[str, str]:
    """Add a user without a password, and return the link by which they set one."""
    add_user(connection, name, role=role, by=by)
    _, code = add_invitation(connection, NewInvitation(role, user_id=name), by=by, lasts=INVITATION_LASTS)
    return {"invitation": f"{JOIN_PATH}{code}"}


def _id_of(out: str | Path) -> str:
    name = "" if is_url(out) else _NOT_IN_ID.sub("-", Path(out).stem.lower()).strip("-")
    return name[:63] or _DEFAULT_ID


def _made(
    out: str | Path, batch: Batch, *, project_id: str, project: NewProject, names: Sequence[str]
) -> list[dict[str, str]]:
    if is_url(out):
        return _filled(create_database(out), batch, project_id=project_id, project=project, names=names)
    with renamed_when_whole(Path(out)) as temporary:
        return _filled(create_database(temporary), batch, project_id=project_id, project=project, names=names)


def _filled(
    engine: Database, batch: Batch, *, project_id: str, project: NewProject, names: Sequence[str]
) -> list[dict[str, str]]:
    by = Act(None, datetime.now(UTC))
    settings = project.settings
    try:
        with writing(engine) as connection:
            add_project(
                connection,
                project_id,
                title=project.title or project_id,
                settings=settings.model_dump(mode="json"),
                guideline=project.guideline,
                by=by,
            )
            add_origin(connection, project_id, batch.origin, now=by.now)
            add_tasks(connection, project_id, batch.tasks, need=settings.overlap.first, by=by)
            owner = _with_token(connection, OWNER, role="owner", scopes=OWNER_SCOPES, by=by)
            people = [_with_token(connection, name, role="annotator", scopes=("annotate",), by=by) for name in names]
            for name in names:
                # they move on by themselves where there is nothing to train on and no test
                add_member(connection, project_id, name, stage="training", by=by)
    finally:
        # closing the last connection moves everything from the log into the file that is renamed
        engine.dispose()
    return [owner, *people]


def _with_token(connection: Transaction, name: str, *, role: str, scopes: Sequence[str], by: Act) -> dict[str, str]:
    door = add_person(connection, name, role=role, by=by)
    _, token = add_token(connection, name, label="made with the site", scopes=scopes, by=by)
    return {**door, "token": token}
