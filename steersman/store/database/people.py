"""Users, what they may do, and the projects they take part in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from steersman.errors import ConfigError
from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.locking import lock_names, lock_user
from steersman.store.database.people_tables import MEMBERS, ROLES, USERS
from steersman.store.database.task_tables import ASSIGNMENTS

# what stands in exports as `annotator`
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

_OF_USER = MEMBERS.c.user_id == bindparam("of_user")
_MEMBER = select(MEMBERS).where(MEMBERS.c.project_id == bindparam("of_project"), _OF_USER)
_MEMBERSHIPS = select(MEMBERS).where(_OF_USER).order_by(MEMBERS.c.joined_at, MEMBERS.c.project_id)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may use the site; `has_password` tells whether they have set one."""

    user_id: str
    role: str
    is_active: bool
    has_password: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Member:
    """How far a user has come in a project; `reason` says in words why the stage is what it is since `changed_at`."""

    project_id: str
    user_id: str
    stage: str
    reason: str | None
    num_answered: int
    joined_at: str
    changed_at: str


def add_user(connection: Connection, user_id: str, *, role: str, by: Act) -> None:
    """Add a user without a password; raises ConfigError for an unfit name or role, TakenError when it is taken."""
    if not _ID.fullmatch(user_id):
        raise ConfigError(f"user name {user_id[:80]!r}: use up to 64 letters, digits and . _ @ + -")
    if role not in ROLES:
        raise ConfigError(f"role {role[:80]!r} is not one of {', '.join(ROLES)}")
    lock_names(connection)
    # names that differ by case only would be taken for one another
    lowered = user_id.lower()
    taken = connection.execute(select(USERS.c.user_id)).scalars()
    if any(each.lower() == lowered for each in taken):
        raise TakenError(f"there is a user {user_id} already; choose another name")
    connection.execute(insert(USERS).values(user_id=user_id, role=role, is_active=True, created_at=timestamp(by.now)))
    record(connection, "user.added", by=by, subject=user_id, role=role)


def read_user(connection: Connection, user_id: str) -> User:
    """Return a user; raises UnknownError when there is none of this name."""
    row = connection.execute(select(USERS).where(USERS.c.user_id == user_id)).one_or_none()
    if row is None:
        raise UnknownError(f"there is no user {user_id[:80]!r}")
    return _user(row)


def find_user(connection: Connection, name: str) -> User | None:
    """Return the user of a name as people type it, in upper or lower case; None when there is none."""
    if not _ID.fullmatch(name):
        return None
    row = connection.execute(select(USERS).where(func.lower(USERS.c.user_id) == name.lower())).one_or_none()
    return None if row is None else _user(row)


def read_users(connection: Connection) -> list[User]:
    """Return all users by name."""
    return [_user(row) for row in connection.execute(select(USERS).order_by(USERS.c.user_id))]


def password_hash(connection: Connection, user_id: str) -> str | None:
    """Return the hash of a user's password, None when they have none or there is no such active user."""
    where = (USERS.c.user_id == user_id, USERS.c.is_active)
    return connection.execute(select(USERS.c.password_hash).where(*where)).scalar()


def set_password_hash(connection: Connection, user_id: str, hashed: str, *, by: Act) -> None:
    """Keep the hash of a new password."""
    read_user(connection, user_id)
    connection.execute(update(USERS).where(USERS.c.user_id == user_id).values(password_hash=hashed))
    record(connection, "user.password_changed", by=by, subject=user_id)


def renew_password_hash(connection: Connection, user_id: str, hashed: str, *, before: str, by: Act) -> None:
    """Keep another hash of the same password, unless the password was changed meanwhile."""
    where = (USERS.c.user_id == user_id, USERS.c.password_hash == before)
    connection.execute(update(USERS).where(*where).values(password_hash=hashed))
    record(connection, "user.password_rehashed", by=by, subject=user_id)


def change_user(connection: Connection, user_id: str, *, role: str, is_active: bool, by: Act) -> None:
    """Give a user another role, or let them in no longer; raises ConfigError when no owner would be left."""
    # two owners who make each other something less would leave none
    lock_names(connection)
    before = read_user(connection, user_id)
    if role not in ROLES:
        raise ConfigError(f"role {role[:80]!r} is not one of {', '.join(ROLES)}")
    owners = [each.user_id for each in read_users(connection) if each.role == "owner" and each.is_active]
    if owners == [user_id] and not (role == "owner" and is_active):
        raise ConfigError(f"{user_id} is the only owner; make another user an owner first")
    connection.execute(update(USERS).where(USERS.c.user_id == user_id).values(role=role, is_active=is_active))
    record(
        connection,
        "user.changed",
        by=by,
        subject=user_id,
        before=[before.role, before.is_active],
        after=[role, is_active],
    )


def add_member(connection: Connection, project_id: str, user_id: str, *, stage: str, by: Act) -> None:
    """Let a user take part in a project from a stage on; doing so again is harmless."""
    read_user(connection, user_id)
    lock_user(connection, user_id)
    where = (MEMBERS.c.project_id == project_id, MEMBERS.c.user_id == user_id)
    if connection.execute(select(MEMBERS.c.stage).where(*where)).first() is not None:
        return
    times = {"joined_at": timestamp(by.now), "changed_at": timestamp(by.now)}
    connection.execute(
        insert(MEMBERS).values(project_id=project_id, user_id=user_id, stage=stage, num_answered=0, **times)
    )
    record(connection, "member.added", by=by, project_id=project_id, subject=user_id, stage=stage)


def change_stage(connection: Connection, member: Member, *, stage: str, reason: str | None, by: Act) -> None:
    """Move a member to another stage; `reason` is shown to them and to the manager."""
    where = (MEMBERS.c.project_id == member.project_id, MEMBERS.c.user_id == member.user_id)
    # a clock that was set back must not bring answers of an earlier stage into this one
    changed_at = max(timestamp(by.now), _after_last_answer(connection, member))
    connection.execute(update(MEMBERS).where(*where).values(stage=stage, reason=reason, changed_at=changed_at))
    record(
        connection,
        "member.stage_changed",
        by=by,
        project_id=member.project_id,
        subject=member.user_id,
        before=member.stage,
        after=stage,
        reason=reason,
    )


def read_member(connection: Connection, project_id: str, user_id: str) -> Member:
    """Return a membership; raises UnknownError when the user does not take part."""
    row = connection.execute(_MEMBER, {"of_project": project_id, "of_user": user_id}).one_or_none()
    if row is None:
        raise UnknownError("you do not take part in this project; ask its manager")
    return as_member(row)


def read_members(connection: Connection, project_id: str) -> list[Member]:
    """Return the members of a project by name."""
    query = select(MEMBERS).where(MEMBERS.c.project_id == project_id).order_by(MEMBERS.c.user_id)
    return [as_member(row) for row in connection.execute(query)]


def memberships(connection: Connection, user_id: str) -> Sequence[Member]:
    """Return the projects of a user, those joined first at the front."""
    return [as_member(row) for row in connection.execute(_MEMBERSHIPS, {"of_user": user_id})]


def as_member(row: Row[tuple[object, ...]]) -> Member:
    """Return a row of MEMBERS as a record."""
    return Member(row.project_id, row.user_id, row.stage, row.reason, row.num_answered, row.joined_at, row.changed_at)


def _after_last_answer(connection: Connection, member: Member) -> str:
    last = connection.execute(
        select(func.max(ANSWERS.c.created_at))
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .where(ASSIGNMENTS.c.project_id == member.project_id, ASSIGNMENTS.c.user_id == member.user_id)
    ).scalar()
    return "" if last is None else timestamp(datetime.fromisoformat(last) + timedelta(microseconds=1))


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(row.user_id, row.role, row.is_active, row.password_hash is not None, row.created_at)
