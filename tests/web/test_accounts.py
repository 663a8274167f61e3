from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient
from web_site import PASSWORD, WebSite

from steersman.store.database.audit import read_events
from steersman.store.database.connection import reading, writing
from steersman.store.database.people import (
    change_user,
    password_hash,
    set_password_hash,
)
from steersman.store.database.people_tables import LOGINS
from steersman.web.passwords import needs_rehash
from steersman.web.requests import COOKIE

pytest_plugins = ("web_fixtures",)

NEW_PASSWORD = "seven grey donkeys"


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> Response:
    return client.post("/login", data={"name": name, "password": password})


def is_logged_in(client: TestClient) -> bool:
    return client.get("/password").status_code == 200


@pytest.mark.parametrize(
    ("name", "home"),
    [("annotator-1", "/task"), ("reviewer-1", "/manage"), ("manager-1", "/manage"), ("owner-1", "/manage")],
)
def test_people_begin_where_their_role_works(web_site: WebSite, name: str, home: str) -> None:
    client = web_site.stranger()
    answer = log_in(client, name)
    assert (answer.status_code, answer.headers["location"]) == (303, home)
    assert client.get("/").headers["location"] == home
    assert client.get("/login").headers["location"] == home


def test_a_name_may_be_typed_in_any_case(web_site: WebSite) -> None:
    client = web_site.stranger()
    assert log_in(client, " Annotator-1 ").status_code == 303
    assert "annotator-1" in client.get("/password").text


def test_the_cookie_is_kept_from_scripts_and_other_sites(web_site: WebSite) -> None:
    cookie = log_in(web_site.stranger(), "annotator-1").headers["set-cookie"]
    parts = cookie.split("; ")
    assert parts[0].startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={14 * 24 * 3600}"} <= set(parts)
    assert "Secure" not in parts


def test_on_a_secure_site_the_cookie_travels_by_https_only_and_for_this_host(secure_site: WebSite) -> None:
    client = secure_site.stranger()
    parts = log_in(client, "annotator-1").headers["set-cookie"].split("; ")
    assert parts[0].startswith("__Host-steersman_session=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(parts)
    assert not any(part.startswith("Domain") for part in parts)
    assert is_logged_in(client)


def test_a_secure_site_takes_no_session_that_plain_http_could_have_planted(secure_site: WebSite) -> None:
    client = secure_site.stranger()
    client.cookies.set(COOKIE, secure_site.session("annotator-1"))
    assert not is_logged_in(client)


def test_a_session_ends_after_fourteen_days(web_site: WebSite) -> None:
    client = web_site.stranger()
    log_in(client, "annotator-1")
    web_site.clock.moment += timedelta(days=14) - timedelta(seconds=1)
    assert is_logged_in(client)
    web_site.clock.move(seconds=1)
    assert client.get("/password").headers["location"] == "/login"


def test_logging_out_ends_the_session_and_takes_the_cookie(web_site: WebSite) -> None:
    session = web_site.session("annotator-1")
    browser = web_site.browser_of(session)
    answer = browser.submit("/logout", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not is_logged_in(web_site.browser_of(session))


def test_other_sessions_outlast_a_logout(web_site: WebSite) -> None:
    other = web_site.browser("annotator-1")
    web_site.browser("annotator-1").submit("/logout", {})
    assert is_logged_in(other)


@pytest.mark.parametrize("name", ["annotator-1", "nobody-1", "no\x00body", "", "a" * 500, "<b>"])
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(web_site: WebSite, name: str) -> None:
    answer = log_in(web_site.stranger(), name, "a wrong password")
    known = log_in(web_site.stranger(), "annotator-2", "a wrong password")
    assert answer.status_code == known.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "do not go together" in answer.text
    assert answer.text.count('role="alert"') == known.text.count('role="alert"') == 1


def test_the_name_stays_in_the_form_and_the_password_does_not(web_site: WebSite) -> None:
    page = log_in(web_site.stranger(), '"><b>', "a wrong password").text
    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert "a wrong password" not in page


def test_a_closed_account_is_refused_like_a_wrong_password(web_site: WebSite) -> None:
    with writing(web_site.engine) as connection:
        change_user(connection, "annotator-1", role="annotator", is_active=False, by=web_site.by)
    assert log_in(web_site.stranger(), "annotator-1").status_code == 401


def test_closing_an_account_ends_what_is_open(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    with writing(web_site.engine) as connection:
        change_user(connection, "annotator-1", role="annotator", is_active=False, by=web_site.by)
    assert not is_logged_in(browser)


def test_somebody_without_a_password_cannot_log_in(web_site: WebSite) -> None:
    web_site.new_user("fresh-1")
    assert [log_in(web_site.stranger(), "fresh-1", each).status_code for each in ("", "None", PASSWORD)] == [401] * 3


def test_a_hash_of_old_parameters_is_renewed_at_login(web_site: WebSite) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with writing(web_site.engine) as connection:
        set_password_hash(connection, "annotator-1", old, by=web_site.by)
    assert log_in(web_site.stranger(), "annotator-1").status_code == 303
    with reading(web_site.engine) as connection:
        renewed = password_hash(connection, "annotator-1")
        actions = [event.action for event in read_events(connection)]
    assert renewed is not None
    assert renewed != old
    assert not needs_rehash(renewed)
    assert actions[-2:] == ["user.password_rehashed", "session.started"]
    assert log_in(web_site.stranger(), "annotator-1").status_code == 303


def test_a_letter_may_be_typed_as_one_character_or_two(web_site: WebSite) -> None:
    web_site.browser("annotator-1").submit("/password", {"password": PASSWORD, "new_password": "caf\u00e9 au lait"})
    assert log_in(web_site.stranger(), "annotator-1", "cafe\u0301 au lait").status_code == 303


def test_a_new_password_ends_all_other_sessions_and_holds(web_site: WebSite) -> None:
    other, mine = web_site.browser("annotator-1"), web_site.browser("annotator-1")
    before = mine.csrf
    answer = mine.submit("/password", {"password": PASSWORD, "new_password": NEW_PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/password?changed=true")
    assert "Your password is changed" in mine.get("/password?changed=true").text
    assert mine.csrf != before
    assert not is_logged_in(other)
    assert log_in(web_site.stranger(), "annotator-1", PASSWORD).status_code == 401
    assert log_in(web_site.stranger(), "annotator-1", NEW_PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a wrong password", NEW_PASSWORD, "password of today is not right"),
        (PASSWORD, "short", "10 to 200 characters"),
        (PASSWORD, "password123", "anybody would guess"),
        (PASSWORD, "Annotator-1", "same as the name"),
    ],
)
def test_an_unfit_change_of_password_changes_nothing(web_site: WebSite, old: str, new: str, words: str) -> None:
    other, mine = web_site.browser("annotator-1"), web_site.browser("annotator-1")
    answer = mine.submit("/password", {"password": old, "new_password": new})
    assert (answer.status_code, words in answer.text) == (422, True)
    assert is_logged_in(other)
    assert log_in(web_site.stranger(), "annotator-1", PASSWORD).status_code == 303


def test_tries_are_kept_but_nothing_of_what_was_typed_as_an_unknown_name(web_site: WebSite) -> None:
    log_in(web_site.stranger(), "My-Secret-Password-1", "x")
    log_in(web_site.stranger(), "Annotator-1", "x")
    log_in(web_site.stranger(), "annotator-1")
    with reading(web_site.engine) as connection:
        rows = connection.execute(select(LOGINS).order_by(LOGINS.c.login_id)).all()
    assert [row.succeeded for row in rows] == [False, False, True]
    assert [row.account for row in rows[1:]] == ["annotator-1", "annotator-1"]
    assert rows[0].account.startswith("unknown:")
    assert "secret" not in rows[0].account
