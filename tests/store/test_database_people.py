"""Users, their projects, and what lets them in: tokens, sessions, invitations, tries to log in."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from database_work import HOUR, NOON, SITE, events, rate, saw, wrote
from sqlalchemy import Connection, Engine

from steersman.errors import ConfigError
from steersman.store.database.audit import Act
from steersman.store.database.connection import writing
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.invitations import (
    NewInvitation,
    add_invitation,
    count_use,
    find_invitation,
    read_invitations,
    revoke_invitation,
)
from steersman.store.database.people import (
    add_member,
    add_user,
    change_stage,
    change_user,
    password_hash,
    read_member,
    read_members,
    read_user,
    set_password_hash,
)
from steersman.store.database.sessions import (
    end_session,
    end_sessions_of,
    failed_logins,
    find_session,
    note_login,
    start_session,
)
from steersman.store.database.tokens import add_token, find_token, read_tokens, revoke_token

pytest_plugins = ("database_fixtures",)


def new_user(engine: Engine, name: str, role: str = "annotator") -> None:
    wrote(engine, lambda connection: add_user(connection, name, role=role, by=SITE))


def invite(engine: Engine, *, max_uses: int = 1) -> str:
    asked = NewInvitation("annotator", "p", max_uses=max_uses)
    return wrote(engine, lambda connection: add_invitation(connection, asked, by=SITE, lasts=HOUR))[1]


def accept(secret: str, name: str) -> Callable[[Connection], None]:
    """Return the work of somebody who joins by a link."""

    def work(connection: Connection) -> None:
        found = find_invitation(connection, secret, now=NOON)
        assert found is not None
        add_user(connection, name, role=found.role, by=Act(name, NOON))
        count_use(connection, found, user_id=name, now=NOON)

    return work


def test_a_name_is_given_once_whatever_its_case(engine: Engine) -> None:
    new_user(engine, "Ann")
    with pytest.raises(TakenError, match="ann already"):
        new_user(engine, "ann")


@pytest.mark.parametrize("name", ["", "-ann", "an n", "é", "a" * 65])
def test_a_name_that_would_not_fit_an_export_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(ConfigError, match="user name"):
        new_user(engine, name)


def test_the_last_owner_stays_an_owner(engine: Engine) -> None:
    new_user(engine, "ann", "owner")
    new_user(engine, "ben", "owner")
    wrote(engine, lambda connection: change_user(connection, "ben", role="manager", is_active=True, by=SITE))
    for role, is_active in (("manager", True), ("owner", False)):
        with pytest.raises(ConfigError, match="only owner"), writing(engine) as connection:
            change_user(connection, "ann", role=role, is_active=is_active, by=SITE)


def test_the_password_of_somebody_who_may_not_come_in_is_not_given(engine: Engine) -> None:
    new_user(engine, "ann", "owner")
    new_user(engine, "ben")
    wrote(engine, lambda connection: set_password_hash(connection, "ben", "hash", by=SITE))
    assert saw(engine, lambda connection: password_hash(connection, "ben")) == "hash"
    wrote(engine, lambda connection: change_user(connection, "ben", role="annotator", is_active=False, by=SITE))
    assert saw(engine, lambda connection: password_hash(connection, "ben")) is None
    assert saw(engine, lambda connection: read_user(connection, "ben")).has_password


def test_joining_a_project_again_changes_nothing(filled: Engine) -> None:
    before = saw(filled, lambda connection: read_members(connection, "p"))
    wrote(filled, lambda connection: add_member(connection, "p", "ann", stage="training", by=SITE))
    assert saw(filled, lambda connection: read_members(connection, "p")) == before


def test_a_stage_begins_after_the_answers_of_the_one_before(filled: Engine) -> None:
    rate(filled, "ann", now=NOON + HOUR)
    member = saw(filled, lambda connection: read_member(connection, "p", "ann"))
    wrote(filled, lambda connection: change_stage(connection, member, stage="paused", reason="why", by=SITE))
    changed = saw(filled, lambda connection: read_member(connection, "p", "ann"))
    assert (changed.stage, changed.reason) == ("paused", "why")
    assert [changed.changed_at > row.at for row in events(filled, "answer.submitted")] == [True]


def test_a_token_finds_its_user_and_is_not_kept(engine: Engine, kind: str, place: str) -> None:
    new_user(engine, "ann")
    token, secret = wrote(
        engine, lambda connection: add_token(connection, "ann", label="mine", scopes=("annotate", "read"), by=SITE)
    )
    found = saw(engine, lambda connection: find_token(connection, secret, now=NOON))
    assert found is not None
    assert (found.user_id, found.role, found.scopes) == ("ann", "annotator", ("annotate", "read"))
    assert saw(engine, lambda connection: find_token(connection, secret + "x", now=NOON)) is None
    assert saw(engine, read_tokens) == [token]
    engine.dispose()
    if kind == "sqlite":
        assert secret.encode() not in Path(place).read_bytes()


def test_a_token_ends_with_its_time_with_its_user_and_when_it_is_revoked(engine: Engine) -> None:
    def is_valid(secret: str, hours: int = 0) -> bool:
        return saw(engine, lambda connection: find_token(connection, secret, now=NOON + hours * HOUR)) is not None

    def made(lasts: timedelta | None) -> tuple[str, str]:
        token, secret = wrote(
            engine, lambda connection: add_token(connection, "ann", label="", scopes=(), by=SITE, lasts=lasts)
        )
        return token.token_id, secret

    new_user(engine, "ann")
    new_user(engine, "own", "owner")
    (_, short), (revoked_id, revoked), (_, long) = made(HOUR), made(None), made(None)
    assert (is_valid(short), is_valid(short, 1)) == (True, False)
    for _ in range(2):
        wrote(engine, lambda connection: revoke_token(connection, revoked_id, by=SITE))
    assert (is_valid(revoked), is_valid(long, 1)) == (False, True)
    assert len(events(engine, "token.revoked")) == 1
    wrote(engine, lambda connection: change_user(connection, "ann", role="annotator", is_active=False, by=SITE))
    assert not is_valid(long)


def test_a_session_ends_with_its_time_and_when_it_is_ended(engine: Engine) -> None:
    def holder(secret: str, hours: int = 0) -> str | None:
        found = saw(engine, lambda connection: find_session(connection, secret, now=NOON + hours * HOUR))
        return None if found is None else found.user_id

    new_user(engine, "ann")
    first, second, third = (
        wrote(engine, lambda connection: start_session(connection, "ann", now=NOON, lasts=HOUR)) for _ in range(3)
    )
    assert (holder(first), holder(first, 1), holder("no such text")) == ("ann", None, None)
    wrote(engine, lambda connection: end_session(connection, first, now=NOON))
    assert (holder(first), holder(second)) == (None, "ann")
    wrote(engine, lambda connection: end_sessions_of(connection, "ann", now=NOON))
    assert (holder(second), holder(third)) == (None, None)


def test_an_invitation_is_used_as_often_as_it_says(engine: Engine, filled: Engine) -> None:
    secret = invite(filled, max_uses=2)
    for name in ("gus", "hal"):
        wrote(filled, accept(secret, name))
    assert saw(filled, lambda connection: find_invitation(connection, secret, now=NOON)) is None
    assert saw(engine, read_invitations)[0].num_uses == 2


def test_an_invitation_ends_with_its_time_and_when_it_is_revoked(filled: Engine) -> None:
    secret = invite(filled)
    assert saw(filled, lambda connection: find_invitation(connection, secret, now=NOON + HOUR)) is None
    (invitation,) = saw(filled, read_invitations)
    for hours in (0, 1):
        with writing(filled) as connection:
            revoke_invitation(connection, invitation.invitation_id, by=Act(None, NOON + hours * HOUR))
    assert saw(filled, lambda connection: find_invitation(connection, secret, now=NOON)) is None
    # the second time changes nothing
    assert saw(filled, read_invitations)[0].revoked_at == SITE.now.isoformat(timespec="microseconds")


def test_an_invitation_that_was_used_up_meanwhile_lets_nobody_in(filled: Engine) -> None:
    secret = invite(filled)
    found = saw(filled, lambda connection: find_invitation(connection, secret, now=NOON))
    assert found is not None
    wrote(filled, accept(secret, "gus"))
    with pytest.raises(UnknownError, match="used up"):
        wrote(filled, lambda connection: count_use(connection, found, user_id="hal", now=NOON))


def test_failed_tries_count_since_the_last_success_even_when_the_clock_went_back(engine: Engine) -> None:
    def note(*, succeeded: bool, hours: int) -> None:
        now = NOON + hours * HOUR
        wrote(engine, lambda connection: note_login(connection, "Ann", address="a", succeeded=succeeded, now=now))

    note(succeeded=False, hours=1)
    note(succeeded=True, hours=2)
    note(succeeded=False, hours=1)
    since = NOON - HOUR
    of_account = saw(engine, lambda connection: failed_logins(connection, since=since, limit=9, account="ann"))
    of_address = saw(engine, lambda connection: failed_logins(connection, since=since, limit=9, address="a"))
    assert (of_account, of_address) == ([NOON + HOUR], [NOON + HOUR] * 2)
