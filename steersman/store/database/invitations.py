"""Links by which people join."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, insert, select, update

from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.doors import new_id, new_secret, secret_sha256
from steersman.store.database.faults import UnknownError
from steersman.store.database.people_tables import INVITATIONS

_IS_VALID = INVITATIONS.c.revoked_at.is_(None)
_IS_OPEN = (_IS_VALID, INVITATIONS.c.num_uses < INVITATIONS.c.max_uses)


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """What an invitation lets people become; `user_id` names the one user whose password it sets."""

    role: str
    project_id: str | None = None
    user_id: str | None = None
    max_uses: int = 1


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, as far as it may be shown again: not its text."""

    invitation_id: str
    role: str
    project_id: str | None
    user_id: str | None
    max_uses: int
    num_uses: int
    created_at: str
    expires_at: str
    revoked_at: str | None


def add_invitation(
    connection: Connection, invitation: NewInvitation, *, by: Act, lasts: timedelta
) -> tuple[Invitation, str]:
    """Return a new invitation and the text of its link, which is not kept and cannot be shown again."""
    secret = new_secret()
    made = Invitation(
        invitation_id=new_id(),
        role=invitation.role,
        project_id=invitation.project_id,
        user_id=invitation.user_id,
        max_uses=invitation.max_uses,
        num_uses=0,
        created_at=timestamp(by.now),
        expires_at=timestamp(by.now + lasts),
        revoked_at=None,
    )
    connection.execute(
        insert(INVITATIONS).values(
            invitation_id=made.invitation_id,
            sha256=secret_sha256(secret),
            role=made.role,
            project_id=made.project_id,
            user_id=made.user_id,
            max_uses=made.max_uses,
            num_uses=0,
            created_by=by.actor,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )
    )
    record(
        connection,
        "invitation.added",
        by=by,
        project_id=made.project_id,
        subject=made.invitation_id,
        role=made.role,
        user=made.user_id,
        max_uses=made.max_uses,
    )
    return made, secret


def find_invitation(connection: Connection, secret: str, *, now: datetime) -> Invitation | None:
    """Return the invitation of a link; None when it is unknown, used up, revoked or too old."""
    row = connection.execute(
        select(INVITATIONS).where(
            INVITATIONS.c.sha256 == secret_sha256(secret), INVITATIONS.c.expires_at > timestamp(now), *_IS_OPEN
        )
    ).one_or_none()
    return None if row is None else _invitation(row)


def count_use(connection: Connection, invitation: Invitation, *, user_id: str, now: datetime) -> None:
    """Count that somebody joined by an invitation; raises UnknownError when others used it up meanwhile."""
    key = INVITATIONS.c.invitation_id == invitation.invitation_id
    counted = update(INVITATIONS).where(key, *_IS_OPEN).values(num_uses=INVITATIONS.c.num_uses + 1)
    if connection.execute(counted).rowcount == 0:
        raise UnknownError("this invitation was used up or withdrawn; ask for a new one")
    record(
        connection,
        "invitation.used",
        by=Act(user_id, now),
        project_id=invitation.project_id,
        subject=invitation.invitation_id,
    )


def read_invitations(connection: Connection, project_id: str | None = None) -> list[Invitation]:
    """Return the invitations to a project, or all, newest first."""
    query = select(INVITATIONS).order_by(INVITATIONS.c.created_at.desc(), INVITATIONS.c.invitation_id)
    query = query if project_id is None else query.where(INVITATIONS.c.project_id == project_id)
    return [_invitation(row) for row in connection.execute(query)]


def read_invitation(connection: Connection, invitation_id: str) -> Invitation:
    """Return an invitation; raises UnknownError when there is none of this id."""
    row = connection.execute(select(INVITATIONS).where(INVITATIONS.c.invitation_id == invitation_id)).one_or_none()
    if row is None:
        raise UnknownError(f"there is no invitation {invitation_id[:40]!r}")
    return _invitation(row)


def revoke_invitation(connection: Connection, invitation_id: str, *, by: Act) -> None:
    """Make a link useless; doing so again is harmless. Raises UnknownError when there is none of this id."""
    key = INVITATIONS.c.invitation_id == invitation_id
    if connection.execute(select(INVITATIONS.c.role).where(key)).first() is None:
        raise UnknownError(f"there is no invitation {invitation_id[:40]!r}")
    revoked = update(INVITATIONS).where(key, _IS_VALID).values(revoked_at=timestamp(by.now))
    if connection.execute(revoked).rowcount == 0:
        return
    record(connection, "invitation.revoked", by=by, subject=invitation_id)


def _invitation(row: Row[tuple[object, ...]]) -> Invitation:
    return Invitation(
        invitation_id=row.invitation_id,
        role=row.role,
        project_id=row.project_id,
        user_id=row.user_id,
        max_uses=row.max_uses,
        num_uses=row.num_uses,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
