import re

import pytest
from web_site import PROJECT, WebSite

from steersman.store.database.audit import read_events
from steersman.store.database.connection import reading
from steersman.store.database.doors import Holder
from steersman.store.database.invitations import find_invitation, read_invitations
from steersman.store.database.people import memberships, read_user
from steersman.store.database.tokens import find_token, read_tokens

pytest_plugins = ("web_fixtures",)
INVITE = {"role": "annotator", "joins": PROJECT, "uses": "3", "days": "7"}


def secret_of(page: str) -> str:
    found = re.search(r'id="secret"[^>]* value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_an_invitation_is_shown_once_and_opens_its_project(web_site: WebSite) -> None:
    browser = web_site.browser("manager-1")
    link = secret_of(browser.submit("/manage/people", INVITE).text)
    with reading(web_site.engine) as connection:
        found = find_invitation(connection, link.rsplit("=", 1)[1], now=web_site.clock())
    assert found is not None
    assert (found.role, found.project_id, found.max_uses) == ("annotator", PROJECT, 3)
    assert link.startswith("http://testserver/")
    assert link not in browser.get("/manage/people").text


@pytest.mark.parametrize("role", ["manager", "owner"])
def test_a_manager_invites_nobody_to_their_own_rank_or_above(web_site: WebSite, role: str) -> None:
    answer = web_site.browser("manager-1").submit("/manage/people", {**INVITE, "role": role})
    assert answer.status_code == 403
    with reading(web_site.engine) as connection:
        assert read_invitations(connection) == []


def test_an_owner_invites_a_manager(web_site: WebSite) -> None:
    answer = web_site.browser("owner-1").submit("/manage/people", {**INVITE, "role": "manager", "joins": ""})
    assert answer.status_code == 200
    with reading(web_site.engine) as connection:
        assert [each.role for each in read_invitations(connection)] == ["manager"]


@pytest.mark.parametrize(
    ("changed", "named"), [({"uses": "0"}, "uses"), ({"days": "9999"}, "days"), ({"joins": ""}, "joins")]
)
def test_a_fault_of_an_invitation_is_named_and_what_was_chosen_stays(
    web_site: WebSite, changed: dict[str, str], named: str
) -> None:
    answer = web_site.browser("manager-1").submit("/manage/people", {**INVITE, **changed})
    assert answer.status_code == 422
    assert f"Nothing was changed. {named}" in answer.text
    kept = {**INVITE, **changed}["uses"]
    assert f'name="uses" type="number" min="1" max="500" value="{kept}"' in answer.text


def test_a_revoked_invitation_lets_nobody_in(web_site: WebSite) -> None:
    code = web_site.invitation()
    with reading(web_site.engine) as connection:
        (invitation,) = read_invitations(connection)
    answer = web_site.browser("manager-1").submit(f"/manage/people/invitations/{invitation.invitation_id}/revoke", {})
    assert answer.status_code == 303
    with reading(web_site.engine) as connection:
        assert find_invitation(connection, code, now=web_site.clock()) is None


def test_a_manager_may_not_revoke_the_invitation_of_a_manager(web_site: WebSite) -> None:
    web_site.invitation("manager")
    with reading(web_site.engine) as connection:
        (invitation,) = read_invitations(connection)
    answer = web_site.browser("manager-1").submit(f"/manage/people/invitations/{invitation.invitation_id}/revoke", {})
    assert answer.status_code == 403


def test_who_is_disabled_is_out_at_once_and_stays_out_of_old_sessions(web_site: WebSite) -> None:
    session = web_site.session("reviewer-1")
    browser = web_site.browser("manager-1")
    browser.submit("/manage/people/reviewer-1", {"role": "reviewer", "active": "no"})
    browser.submit("/manage/people/reviewer-1", {"role": "reviewer", "active": "yes"})
    assert web_site.service.session_holder(session) is None
    assert web_site.service.session_holder(web_site.session("reviewer-1")) == Holder("reviewer-1", "reviewer", None)


@pytest.mark.parametrize(("user", "role"), [("owner-1", "annotator"), ("annotator-1", "manager")])
def test_a_manager_moves_nobody_from_or_to_their_own_rank_or_above(web_site: WebSite, user: str, role: str) -> None:
    with reading(web_site.engine) as connection:
        before = read_user(connection, user)
    answer = web_site.browser("manager-1").submit(f"/manage/people/{user}", {"role": role, "active": "yes"})
    assert answer.status_code == 403
    with reading(web_site.engine) as connection:
        assert read_user(connection, user) == before


def test_the_last_owner_stays_and_is_told_why(web_site: WebSite) -> None:
    answer = web_site.browser("owner-1").submit("/manage/people/owner-1", {"role": "manager", "active": "yes"})
    assert answer.status_code == 422
    assert "only owner" in answer.text


def test_a_change_of_a_role_is_audited(web_site: WebSite) -> None:
    web_site.browser("owner-1").submit("/manage/people/annotator-1", {"role": "reviewer", "active": "yes"})
    with reading(web_site.engine) as connection:
        last = [*read_events(connection)][-1]
    assert (last.actor, last.action, last.subject) == ("owner-1", "user.changed", "annotator-1")
    assert last.detail["after"] == ["reviewer", True]


def test_somebody_is_added_to_a_project_at_its_beginning(web_site: WebSite) -> None:
    web_site.browser("manager-1").submit("/manage/people/reviewer-1/join", {"joins": PROJECT})
    with reading(web_site.engine) as connection:
        assert [(each.project_id, each.stage) for each in memberships(connection, "reviewer-1")] == [
            (PROJECT, "training")
        ]


def test_a_link_for_a_new_password_is_for_that_person_only(web_site: WebSite) -> None:
    link = secret_of(web_site.browser("manager-1").submit("/manage/people/annotator-1/password", {}).text)
    with reading(web_site.engine) as connection:
        found = find_invitation(connection, link.rsplit("=", 1)[1], now=web_site.clock())
    assert found is not None
    assert (found.user_id, found.role, found.max_uses) == ("annotator-1", "annotator", 1)


def test_a_manager_makes_no_password_link_of_an_owner(web_site: WebSite) -> None:
    assert web_site.browser("manager-1").submit("/manage/people/owner-1/password", {}).status_code == 403


def test_a_token_works_with_its_scopes_until_it_is_revoked(web_site: WebSite) -> None:
    browser = web_site.browser("manager-1")
    made = browser.submit("/manage/people/manager-1/tokens", {"label": "export", "scope": ["read", "manage"]})
    secret = secret_of(made.text)
    with reading(web_site.engine) as connection:
        assert find_token(connection, secret, now=web_site.clock()) == Holder(
            "manager-1", "manager", ("read", "manage")
        )
        (token,) = read_tokens(connection, "manager-1")
    browser.submit(f"/manage/people/manager-1/tokens/{token.token_id}/revoke", {})
    with reading(web_site.engine) as connection:
        assert find_token(connection, secret, now=web_site.clock()) is None


def test_a_token_is_not_revoked_through_somebody_else(web_site: WebSite) -> None:
    web_site.token("manage", user_id="owner-1")
    with reading(web_site.engine) as connection:
        (token,) = read_tokens(connection, "owner-1")
    answer = web_site.browser("manager-1").submit(f"/manage/people/annotator-1/tokens/{token.token_id}/revoke", {})
    assert answer.status_code == 404
    with reading(web_site.engine) as connection:
        assert read_tokens(connection, "owner-1") == [token]


def test_a_token_without_a_scope_is_refused_and_its_label_stays(web_site: WebSite) -> None:
    answer = web_site.browser("manager-1").submit("/manage/people/manager-1/tokens", {"label": "my export"})
    assert answer.status_code == 422
    assert 'value="my export"' in answer.text


def test_a_token_holds_no_scope_that_waits_for_another_role_of_its_user(web_site: WebSite) -> None:
    fields: dict[str, str | list[str]] = {"label": "later", "scope": ["annotate", "people"]}
    answer = web_site.browser("manager-1").submit("/manage/people/annotator-1/tokens", fields)
    assert answer.status_code == 422
    assert "people is of no use to people of the role annotator" in answer.text
    with reading(web_site.engine) as connection:
        assert read_tokens(connection, "annotator-1") == []


def test_a_form_without_the_text_of_the_session_changes_nothing(web_site: WebSite) -> None:
    answer = web_site.browser("manager-1").post("/manage/people", data=INVITE)
    assert answer.status_code == 403
    with reading(web_site.engine) as connection:
        assert read_invitations(connection) == []


@pytest.mark.parametrize("user", ["reviewer-1", "annotator-1"])
def test_only_managers_see_people(web_site: WebSite, user: str) -> None:
    assert web_site.browser(user).get("/manage/people").status_code == 403
