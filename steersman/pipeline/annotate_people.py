"""Let people and programs into an annotation site from the command line, also those who lost their password."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from steersman.errors import ConfigError
from steersman.pipeline.annotate import INVITATION_LASTS, JOIN_PATH, add_person
from steersman.pipeline.annotate_projects import chosen_project
from steersman.store.database.audit import Act
from steersman.store.database.connection import open_database, writing
from steersman.store.database.invitations import NewInvitation, add_invitation
from steersman.store.database.people import add_member, read_user
from steersman.store.database.projects import project_ids
from steersman.store.database.tokens import add_token

# what a token of a role is given where nobody says otherwise
ROLE_SCOPES = {
    "owner": ("read", "review", "manage", "people"),
    "manager": ("read", "review", "manage", "people"),
    "reviewer": ("read", "review"),
    "annotator": ("annotate",),
}


def add_site_user(place: str | Path, name: str, *, role: str, project_id: str | None = None) -> dict[str, object]:
    """Add a user, and return the link by which they set their password; annotators take part in a project."""
    by = Act(None, datetime.now(UTC))
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            door = add_person(connection, name, role=role, by=by)
            chosen = None
            if project_id is not None or (role == "annotator" and len(project_ids(connection)) == 1):
                chosen = chosen_project(connection, project_id)
                add_member(connection, chosen, name, stage="training", by=by)
    finally:
        engine.dispose()
    return {"user": name, "role": role, "project": chosen, **door}


def invite(
    place: str | Path, *, role: str, user: str | None = None, project_id: str | None = None, max_uses: int = 1
) -> dict[str, object]:
    """Return a new link by which people join, or by which one `user` sets a new password.

    Raises UnknownError when there is no such user or project, ConfigError for a user and several uses.
    """
    if user is not None and max_uses != 1:
        raise ConfigError("a link that sets the password of one user works once; leave --uses out")
    by = Act(None, datetime.now(UTC))
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            if user is not None:
                role = read_user(connection, user).role
            chosen = None
            if project_id is not None or (user is None and role == "annotator"):
                chosen = chosen_project(connection, project_id)
            new = NewInvitation(role, chosen, user, max_uses)
            made, code = add_invitation(connection, new, by=by, lasts=INVITATION_LASTS)
    finally:
        engine.dispose()
    return {
        "invitation": f"{JOIN_PATH}{code}",
        "role": role,
        "user": user,
        "project": chosen,
        "uses": made.max_uses,
        "expires_at": made.expires_at,
    }


def make_token(
    place: str | Path, user: str, *, scopes: Sequence[str] = (), label: str, lasts: timedelta | None = None
) -> dict[str, object]:
    """Return a new token of a user, with the scopes of their role where none are named."""
    by = Act(None, datetime.now(UTC))
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            given = tuple(scopes) or ROLE_SCOPES[read_user(connection, user).role]
            made, secret = add_token(connection, user, label=label, scopes=given, by=by, lasts=lasts)
    finally:
        engine.dispose()
    return {"user": user, "scopes": list(given), "token": secret, "expires_at": made.expires_at}
