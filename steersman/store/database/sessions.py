"""Sessions of browsers, and the tries to log in."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, insert, select, update

from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.doors import Holder, new_secret, secret_sha256
from steersman.store.database.people_tables import LOGINS, SESSIONS, USERS

_HOLDER = (
    select(USERS.c.user_id, USERS.c.role)
    .join(SESSIONS, SESSIONS.c.user_id == USERS.c.user_id)
    .where(
        SESSIONS.c.sha256 == bindparam("of_sha256"),
        SESSIONS.c.ended_at.is_(None),
        SESSIONS.c.expires_at > bindparam("at"),
        USERS.c.is_active,
    )
)


def start_session(connection: Connection, user_id: str, *, now: datetime, lasts: timedelta) -> str:
    """Return the text of a new session, which only the browser keeps."""
    secret = new_secret()
    times = {"created_at": timestamp(now), "expires_at": timestamp(now + lasts)}
    connection.execute(insert(SESSIONS).values(sha256=secret_sha256(secret), user_id=user_id, **times))
    record(connection, "session.started", by=Act(user_id, now), subject=user_id)
    return secret


def find_session(connection: Connection, secret: str, *, now: datetime) -> Holder | None:
    """Return whose session it is, None when it is unknown, ended, too old, or its user may not come in any more."""
    given = {"of_sha256": secret_sha256(secret), "at": timestamp(now)}
    row = connection.execute(_HOLDER, given).one_or_none()
    return None if row is None else Holder(row.user_id, row.role, None)


def end_session(connection: Connection, secret: str, *, now: datetime) -> None:
    """End a session; ending it again is harmless."""
    key = SESSIONS.c.sha256 == secret_sha256(secret)
    connection.execute(update(SESSIONS).where(key, SESSIONS.c.ended_at.is_(None)).values(ended_at=timestamp(now)))


def end_sessions_of(connection: Connection, user_id: str, *, now: datetime) -> None:
    """End all sessions of a user, as after a new password."""
    where = (SESSIONS.c.user_id == user_id, SESSIONS.c.ended_at.is_(None))
    connection.execute(update(SESSIONS).where(*where).values(ended_at=timestamp(now)))


def note_login(connection: Connection, account: str, *, address: str, succeeded: bool, now: datetime) -> None:
    """Keep a try to log in."""
    connection.execute(
        insert(LOGINS).values(account=account.lower(), address=address, at=timestamp(now), succeeded=succeeded)
    )


def failed_logins(
    connection: Connection,
    *,
    since: datetime,
    limit: int,
    account: str | None = None,
    address: str | None = None,
) -> list[datetime]:
    """Return when tries failed since a time, the last `limit` ones, newest first.

    Those of an account count since its last success, those from an address all.
    """
    query = select(LOGINS.c.at).where(LOGINS.c.at > timestamp(since), LOGINS.c.succeeded.is_(False))
    if address is not None:
        query = query.where(LOGINS.c.address == address)
    if account is not None:
        mine = LOGINS.c.account == account.lower()
        last = select(func.max(LOGINS.c.login_id)).where(mine, LOGINS.c.succeeded).scalar_subquery()
        query = query.where(mine, LOGINS.c.login_id > func.coalesce(last, 0))
    times = connection.execute(query.order_by(LOGINS.c.at.desc()).limit(limit)).scalars()
    return [datetime.fromisoformat(each) for each in times]
