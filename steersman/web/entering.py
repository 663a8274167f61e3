"""Let people in: log in, join by an invitation, change a password.

Each function takes as long as a password hash does, some 20 ms, and holds no transaction meanwhile.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from steersman.errors import DataError
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, reading, writing
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.invitations import Invitation, count_use, find_invitation
from steersman.store.database.people import (
    User,
    add_member,
    add_user,
    find_user,
    password_hash,
    read_user,
    renew_password_hash,
    set_password_hash,
)
from steersman.store.database.projects import read_project
from steersman.store.database.sessions import end_sessions_of, failed_logins, note_login, start_session
from steersman.web.faults import TooManyTriesError
from steersman.web.passwords import check_new, hash_password, is_right, needs_rehash
from steersman.web.site import Site
from steersman.web.throttle import MAX_OF_ACCOUNT, MAX_OF_ADDRESS, WINDOW, Throttle, wait_seconds

SESSION_LENGTH = timedelta(days=14)
# what this annotator said of gold tasks is what cleaning takes to be right (`trust.gold_annotator`)
_KEY_NAME = "gold"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A name and a password as somebody typed them, and the address they come from."""

    name: str
    password: str
    address: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A new session: its text, which only the browser keeps, and the role of whose it is."""

    session: str
    role: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """What an invitation says before it is used; `user_id` None lets the person choose a name."""

    role: str
    title: str | None
    user_id: str | None


def log_in(site: Site, attempt: Attempt, *, throttle: Throttle) -> Entry | None:
    """Return a new session, None when name and password do not go together.

    Raises TooManyTriesError when too many tries have failed, whatever the password.
    """
    with throttle.trying(_account_key(attempt.name), _address_key(attempt.address)) as others:
        user, hashed = _checked(site, attempt, others=others)
        if user is None or hashed is None:
            return None
        renewed = hash_password(attempt.password) if needs_rehash(hashed) else None
        now = site.now()
        with writing(site.engine) as connection:
            # what was changed while the password was checked holds
            if password_hash(connection, user.user_id) != hashed:
                return None
            note_login(connection, user.user_id, address=attempt.address, succeeded=True, now=now)
            if renewed is not None:
                renew_password_hash(connection, user.user_id, renewed, before=hashed, by=Act(user.user_id, now))
            session = start_session(connection, user.user_id, now=now, lasts=SESSION_LENGTH)
            return Entry(session, user.role)


def change_password(site: Site, attempt: Attempt, *, new: str, throttle: Throttle) -> Entry:
    """Set a user's new password, end all their sessions, and return a new one.

    Raises DataError when the old password, which `attempt` holds, is wrong or the new one unfit, TooManyTriesError as
    above.
    """
    check_new(new, user_id=attempt.name)
    with throttle.trying(_account_key(attempt.name), _address_key(attempt.address)) as others:
        user, hashed = _checked(site, attempt, others=others)
        renewed = hash_password(new)
        with writing(site.engine) as connection:
            if user is None or hashed is None or password_hash(connection, user.user_id) != hashed:
                raise DataError("your password of today is not right; nothing was changed")
            return _set_password(connection, user, renewed, now=site.now())


def welcome(site: Site, code: str) -> Welcome:
    """Return what an invitation says, without using it; raises UnknownError when it holds no longer."""
    with reading(site.engine) as connection:
        invitation = _valid(find_invitation(connection, code, now=site.now()))
        project_id = invitation.project_id
        title = None if project_id is None else read_project(connection, project_id).title
        return Welcome(invitation.role, title, invitation.user_id)


def join(site: Site, code: str, *, name: str, password: str) -> Entry:
    """Use an invitation: make the user it invites, or set the password of the one it names; return a session.

    Raises UnknownError when the invitation holds no longer, DataError, ConfigError or TakenError for what was typed;
    the invitation can be used again then.
    """
    invited = welcome(site, code).user_id
    check_new(password, user_id=name if invited is None else invited)
    _check_is_free(site, name if invited is None else None)
    hashed = hash_password(password)
    now = site.now()
    with writing(site.engine) as connection:
        invitation = _valid(find_invitation(connection, code, now=now))
        if invited is None:
            add_user(connection, name, role=invitation.role, by=Act(name, now))
        user = read_user(connection, name if invited is None else invited)
        if not user.is_active:
            raise UnknownError("this account is closed; ask your manager")
        # whoever made the link might act on people of the role of then, not of today's
        if user.role != invitation.role:
            raise UnknownError("this link was made before the role changed; ask for a new one")
        if invitation.project_id is not None:
            add_member(connection, invitation.project_id, user.user_id, stage="training", by=Act(user.user_id, now))
        count_use(connection, invitation, user_id=user.user_id, now=now)
        return _set_password(connection, user, hashed, now=now)


def _checked(site: Site, attempt: Attempt, *, others: list[int]) -> tuple[User | None, str | None]:
    """Return the user and their hash when the password is right; a wrong one is noted and gives no hash."""
    now = site.now()
    with reading(site.engine) as connection:
        user = find_user(connection, attempt.name)
        account = _unknown(attempt.name) if user is None else user.user_id
        _check_limits(connection, account, address=attempt.address, others=others, now=now)
        hashed = None if user is None else password_hash(connection, user.user_id)
    if is_right(attempt.password, hashed=hashed):
        return user, hashed
    with writing(site.engine) as connection:
        note_login(connection, account, address=attempt.address, succeeded=False, now=now)
    return user, None


def _check_limits(connection: Transaction, account: str, *, address: str, others: list[int], now: datetime) -> None:
    since = now - WINDOW
    of_account = failed_logins(connection, since=since, limit=MAX_OF_ACCOUNT, account=account)
    of_address = failed_logins(connection, since=since, limit=MAX_OF_ADDRESS, address=address)
    wait = max(
        wait_seconds(of_account, limit=MAX_OF_ACCOUNT - others[0], now=now),
        wait_seconds(of_address, limit=MAX_OF_ADDRESS - others[1], now=now),
    )
    if wait:
        minutes = -(-wait // 60)
        raise TooManyTriesError(
            f"too many tries to log in have failed; wait {minutes} minute{'' if minutes == 1 else 's'} and try again",
            retry_after_seconds=wait,
        )


def _set_password(connection: Transaction, user: User, hashed: str, *, now: datetime) -> Entry:
    by = Act(user.user_id, now)
    set_password_hash(connection, user.user_id, hashed, by=by)
    end_sessions_of(connection, user.user_id, now=now)
    return Entry(start_session(connection, user.user_id, now=now, lasts=SESSION_LENGTH), user.role)


def _valid(invitation: Invitation | None) -> Invitation:
    if invitation is None:
        raise UnknownError("this link does not work any more; ask whoever sent it to you for a new one")
    return invitation


def _check_is_free(site: Site, name: str | None) -> None:
    # found out before the costly hash; add_user decides
    if name is None:
        return
    with reading(site.engine) as connection:
        if name.lower() == _KEY_NAME or find_user(connection, name) is not None:
            raise TakenError(f"there is a user {name} already; choose another name")


def _unknown(name: str) -> str:
    # somebody may have typed a password into the field of the name: what is kept tells nothing of it
    return f"unknown:{hashlib.sha256(name.lower().encode()).hexdigest()[:8]}"


def _account_key(name: str) -> str:
    return f"account {name.lower()}"


def _address_key(address: str) -> str:
    return f"address {address}"
