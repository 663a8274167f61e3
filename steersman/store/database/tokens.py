"""Tokens by which programs use the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.doors import Holder, new_id, new_secret, secret_sha256
from steersman.store.database.faults import UnknownError
from steersman.store.database.people_tables import TOKENS, USERS

_HOLDER = (
    select(USERS.c.user_id, USERS.c.role, TOKENS.c.scopes)
    .join(TOKENS, TOKENS.c.user_id == USERS.c.user_id)
    .where(
        TOKENS.c.sha256 == bindparam("of_sha256"),
        TOKENS.c.revoked_at.is_(None),
        or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > bindparam("at")),
        USERS.c.is_active,
    )
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a program, as far as it may be shown again: not its text."""

    token_id: str
    user_id: str
    label: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


def add_token(
    connection: Connection,
    user_id: str,
    *,
    label: str,
    scopes: Sequence[str],
    by: Act,
    lasts: timedelta | None = None,
) -> tuple[Token, str]:
    """Return a new token and its text, which is not kept and cannot be shown again."""
    secret = new_secret()
    expires_at = None if lasts is None else timestamp(by.now + lasts)
    token = Token(new_id(), user_id, label, tuple(scopes), timestamp(by.now), expires_at, None)
    connection.execute(
        insert(TOKENS).values(
            token_id=token.token_id,
            sha256=secret_sha256(secret),
            user_id=user_id,
            label=label,
            scopes=" ".join(scopes),
            created_at=token.created_at,
            expires_at=expires_at,
        )
    )
    record(connection, "token.added", by=by, subject=user_id, token=token.token_id, scopes=[*scopes])
    return token, secret


def find_token(connection: Connection, secret: str, *, now: datetime) -> Holder | None:
    """Return whose token it is, None when it is unknown, revoked, too old, or its user may not come in any more."""
    given = {"of_sha256": secret_sha256(secret), "at": timestamp(now)}
    row = connection.execute(_HOLDER, given).one_or_none()
    return None if row is None else Holder(row.user_id, row.role, tuple(row.scopes.split()))


def read_tokens(connection: Connection, user_id: str | None = None) -> list[Token]:
    """Return the tokens of a user, or of all, newest first."""
    query = select(TOKENS).order_by(TOKENS.c.created_at.desc(), TOKENS.c.token_id)
    query = query if user_id is None else query.where(TOKENS.c.user_id == user_id)
    return [_token(row) for row in connection.execute(query)]


def read_token(connection: Connection, token_id: str) -> Token:
    """Return a token; raises UnknownError when there is none of this id."""
    row = connection.execute(select(TOKENS).where(TOKENS.c.token_id == token_id)).one_or_none()
    if row is None:
        raise UnknownError(f"there is no token {token_id[:40]!r}")
    return _token(row)


def token_expiry(connection: Connection, secret: str) -> str | None:
    """Return until when the token of this text lasts, None when it has no end or is unknown."""
    query = select(TOKENS.c.expires_at).where(TOKENS.c.sha256 == secret_sha256(secret))
    return connection.execute(query).scalar()


def revoke_token(connection: Connection, token_id: str, *, by: Act) -> None:
    """Make a token useless; doing so again is harmless. Raises UnknownError when there is none of this id."""
    read_token(connection, token_id)
    where = (TOKENS.c.token_id == token_id, TOKENS.c.revoked_at.is_(None))
    if connection.execute(update(TOKENS).where(*where).values(revoked_at=timestamp(by.now))).rowcount > 0:
        record(connection, "token.revoked", by=by, subject=token_id)


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        row.token_id,
        row.user_id,
        row.label,
        tuple(row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )
