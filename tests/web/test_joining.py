import pytest
from httpx2 import Response
from starlette.testclient import TestClient
from web_site import PASSWORD, PROJECT, TITLE, WebSite

from steersman.store.database.connection import reading, writing
from steersman.store.database.invitations import read_invitations, revoke_invitation
from steersman.store.database.people import change_user, read_member, read_users

pytest_plugins = ("web_fixtures",)

NEW_PASSWORD = "seven grey donkeys"


def log_in(client: TestClient, name: str, password: str) -> Response:
    return client.post("/login", data={"name": name, "password": password})


def join(client: TestClient, code: str, name: str, password: str = NEW_PASSWORD) -> Response:
    return client.post("/join", data={"code": code, "name": name, "password": password})


def is_logged_in(client: TestClient) -> bool:
    return client.get("/password").status_code == 200


def test_looking_at_an_invitation_does_not_use_it_up(web_site: WebSite) -> None:
    code = web_site.invitation()
    client = web_site.stranger()
    pages = [client.get("/join", params={"code": code}) for _ in range(3)]
    assert [page.status_code for page in pages] == [200] * 3
    assert TITLE in pages[0].text
    assert join(client, code, "fresh-1").status_code == 303


def test_who_joins_is_logged_in_and_begins_with_training(web_site: WebSite) -> None:
    client = web_site.stranger()
    answer = join(client, web_site.invitation(), " fresh-1 ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/task")
    assert is_logged_in(client)
    with reading(web_site.engine) as connection:
        assert read_member(connection, PROJECT, "fresh-1").stage == "training"
    assert log_in(web_site.stranger(), "fresh-1", NEW_PASSWORD).status_code == 303


def test_an_invitation_gives_the_role_it_names_and_no_other(web_site: WebSite) -> None:
    client = web_site.stranger()
    form = {"code": web_site.invitation("reviewer"), "name": "fresh-1", "password": NEW_PASSWORD, "role": "owner"}
    assert client.post("/join", data=form).headers["location"] == "/manage"
    with reading(web_site.engine) as connection:
        assert {user.user_id: user.role for user in read_users(connection)}["fresh-1"] == "reviewer"


def test_an_invitation_works_as_often_as_it_says(web_site: WebSite) -> None:
    code = web_site.invitation(max_uses=2)
    statuses = [join(web_site.stranger(), code, f"fresh-{n}").status_code for n in range(3)]
    assert statuses == [303, 303, 404]
    assert web_site.stranger().get("/join", params={"code": code}).status_code == 404


@pytest.mark.parametrize(
    ("name", "password", "status", "words"),
    [
        ("annotator-1", NEW_PASSWORD, 409, "choose another name"),
        ("ANNOTATOR-1", NEW_PASSWORD, 409, "choose another name"),
        # whose ratings cleaning would take for the right answers
        ("gold", NEW_PASSWORD, 409, "choose another name"),
        ("no spaces", NEW_PASSWORD, 400, "letters, digits"),
        ("", NEW_PASSWORD, 400, "letters, digits"),
        ("no\x00body", NEW_PASSWORD, 400, "letters, digits"),
        ("fresh-1", "short", 422, "10 to 200 characters"),
        ("fresh-1", "a" * 201, 422, "10 to 200 characters"),
    ],
)
def test_a_mistake_in_joining_leaves_the_invitation_good(
    web_site: WebSite, name: str, password: str, status: int, words: str
) -> None:
    code, client = web_site.invitation(), web_site.stranger()
    answer = join(client, code, name, password)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert code in answer.text
    assert not is_logged_in(client)
    assert join(client, code, "fresh-2").status_code == 303


@pytest.mark.parametrize("fault", ["unknown", "late", "revoked"])
def test_an_invitation_that_holds_no_longer_is_refused(web_site: WebSite, fault: str) -> None:
    code = web_site.invitation()
    if fault == "late":
        web_site.clock.move(days=7)
    if fault == "revoked":
        with writing(web_site.engine) as connection:
            revoke_invitation(connection, read_invitations(connection)[0].invitation_id, by=web_site.by)
    client = web_site.stranger()
    used = code[:-1] if fault == "unknown" else code
    answers = [client.get("/join", params={"code": used}), join(client, used, "fresh-1")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "does not work any more" in answers[0].text


def test_an_invitation_for_somebody_sets_their_password_and_ends_their_sessions(web_site: WebSite) -> None:
    browser, client = web_site.browser("annotator-1"), web_site.stranger()
    code = web_site.invitation(user_id="annotator-1")
    assert "<strong>annotator-1</strong>" in client.get("/join", params={"code": code}).text
    assert join(client, code, "annotator-2").status_code == 303
    assert not is_logged_in(browser)
    assert log_in(web_site.stranger(), "annotator-1", NEW_PASSWORD).status_code == 303
    assert log_in(web_site.stranger(), "annotator-2", PASSWORD).status_code == 303


def test_a_link_for_a_password_ends_when_its_user_gets_another_role(web_site: WebSite) -> None:
    """Who manages annotators could else set the password of somebody who has become an owner."""
    code = web_site.invitation(user_id="annotator-1")
    with writing(web_site.engine) as connection:
        change_user(connection, "annotator-1", role="owner", is_active=True, by=web_site.by)
    assert join(web_site.stranger(), code, "").status_code == 404
    assert log_in(web_site.stranger(), "annotator-1", PASSWORD).status_code == 303


def test_an_invitation_does_not_open_a_closed_account(web_site: WebSite) -> None:
    code = web_site.invitation(user_id="annotator-1")
    with writing(web_site.engine) as connection:
        change_user(connection, "annotator-1", role="annotator", is_active=False, by=web_site.by)
    assert join(web_site.stranger(), code, "").status_code == 404
