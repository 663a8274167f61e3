import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import anyio
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from starlette.types import Message
from web_site import PASSWORD, PROJECT, WebSite

from steersman.store.database.connection import writing
from steersman.store.database.people_tables import USERS
from steersman.web.guard import CSRF_HEADER

pytest_plugins = ("web_fixtures",)

# pages, a redirect, a refusal, a program's answer and a file
PATHS = ("/login", "/password", "/nowhere", "/api/v1/status", "/static/site.css", "/static/nothing.css")
_POST_FORM = re.compile(r"<form[^>]*method=\"post\".*?</form>", re.DOTALL)


def templates() -> Iterator[tuple[str, str]]:
    def below(folder: Traversable) -> Iterator[tuple[str, str]]:
        for each in folder.iterdir():
            if each.is_dir():
                yield from below(each)
            else:
                yield each.name, each.read_text(encoding="utf-8")

    yield from below(files("steersman.web") / "templates")


def quiet(web_site: WebSite) -> TestClient:
    """A client that gets the answer of a fault instead of its exception."""
    client = TestClient(web_site.app, web_site.url, raise_server_exceptions=False)
    client.portal = web_site.anchor.portal
    return client


def add_fault(web_site: WebSite) -> None:
    """Let the site have two routes with a fault of ours."""

    async def boom(request: Request) -> None:
        await request.body()
        raise RuntimeError("the tank is empty")

    for path in ("/boom", "/api/v1/boom"):
        web_site.app.add_api_route(path, boom, methods=["GET", "POST"])


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_scripts_styles_and_frames_of_others(web_site: WebSite, path: str) -> None:
    headers = web_site.browser("annotator-1").get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_but_files_is_kept_by_browsers(web_site: WebSite, path: str) -> None:
    kept = web_site.browser("annotator-1").get(path).headers["cache-control"]
    assert kept == ("no-cache" if path.startswith("/static/") else "no-store")


def test_a_file_that_did_not_change_is_not_sent_again(web_site: WebSite) -> None:
    client = web_site.stranger()
    tag = client.get("/static/site.css").headers["etag"]
    assert client.get("/static/site.css", headers={"if-none-match": tag}).status_code == 304


def test_only_a_secure_site_asks_for_https_from_now_on(web_site: WebSite) -> None:
    assert "strict-transport-security" not in web_site.stranger().get("/login").headers


def test_a_secure_site_asks_for_https_from_now_on(secure_site: WebSite) -> None:
    assert secure_site.stranger().get("/login").headers["strict-transport-security"] == "max-age=31536000"


def test_templates_hold_no_script_or_style_that_the_policy_would_forbid() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    assert [name for name, text in templates() if inline.search(text)] == []


def test_templates_escape_whatever_they_show() -> None:
    """`safe` would switch that off; `markdown` gives HTML that is safe by itself."""
    assert [name for name, text in templates() if re.search(r"\|\s*safe\b|autoescape", text)] == []


def test_every_form_that_changes_something_carries_the_anti_forgery_text() -> None:
    forms = [(name, form) for name, text in templates() for form in _POST_FORM.findall(text)]
    without = {name for name, form in forms if 'name="csrf"' not in form and "csrf" not in form}
    # who logs in or joins has no session yet
    assert without == {"login.html", "join.html"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://testserver.evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://testserver"}, 303),
        ({"origin": "http://site.example:8443", "sec-fetch-site": "same-origin"}, 303),
    ],
)
def test_a_login_form_must_come_from_this_site(web_site: WebSite, headers: dict[str, str], status: int) -> None:
    form = {"name": "annotator-1", "password": PASSWORD}
    assert web_site.stranger().post("/login", data=form, headers=headers).status_code == status


def test_an_anti_forgery_text_of_any_letters_is_compared(web_site: WebSite) -> None:
    answer = web_site.browser("annotator-1").post("/logout", data={"csrf": "\u00e9\u4e00"})
    assert answer.status_code == 403


@pytest.mark.parametrize("cookie", ["", "forged", "a" * 4000, "\u00e9", "%00"])
def test_a_forged_session_opens_nothing(web_site: WebSite, cookie: str) -> None:
    headers = [(b"cookie", f"steersman_session={cookie}".encode())]
    assert web_site.stranger().get("/password", headers=headers).headers["location"] == "/login"


def test_a_long_body_is_refused_before_it_is_read_whole(web_site: WebSite) -> None:
    answer = web_site.stranger().post("/login", data={"name": "a" * 70_000})
    assert (answer.status_code, "longer than 65536 bytes" in answer.text) == (413, True)


def test_too_many_fields_are_refused(web_site: WebSite) -> None:
    answer = web_site.stranger().post("/login", data={f"field{n}": "1" for n in range(300)})
    assert (answer.status_code, "cannot be read" in answer.text) == (422, True)


@pytest.mark.parametrize(("path", "method"), [("/nowhere", "GET"), ("/static/nothing.css", "GET"), ("/me/x", "POST")])
def test_an_unknown_address_gets_a_page_that_says_so(web_site: WebSite, path: str, method: str) -> None:
    answer = web_site.browser("annotator-1").request(method, path)
    assert (answer.status_code, "nothing at this address" in answer.text) == (404, True)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_method_that_an_address_does_not_know_gets_a_page_that_says_so(web_site: WebSite) -> None:
    answer = web_site.browser("annotator-1").get("/logout")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "cannot be used in this way" in answer.text


def test_programs_hear_of_unknown_addresses_and_methods_in_json(web_site: WebSite) -> None:
    program = web_site.program("read")
    answers = [program.get("/api/v1/nowhere"), program.get("/api/v1/claim")]
    assert [answer.status_code for answer in answers] == [404, 405]
    assert [set(answer.json()) for answer in answers] == [{"error"}] * 2


def test_a_faulty_parameter_is_named_without_repeating_what_was_sent(web_site: WebSite) -> None:
    answer = web_site.browser("annotator-1").get("/password", params={"changed": "my-secret"})
    assert (answer.status_code, "uery.changed: " in answer.text) == (422, True)
    assert "my-secret" not in answer.text


def test_a_script_of_a_page_hears_of_errors_in_json(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    answers = [
        browser.fetch("/nowhere", {}),
        web_site.stranger().post("/logout", headers={CSRF_HEADER: "x"}),
        web_site.stranger().get("/password", headers={"accept": "application/json"}),
        browser.get("/password?changed=x", headers={"accept": "application/json"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 401, 401, 422]
    assert [set(answer.json()) for answer in answers] == [{"error"}] * 4


def test_a_refusal_shows_the_bar_of_whoever_is_logged_in(web_site: WebSite) -> None:
    page = web_site.browser("annotator-1").get("/manage/people").text
    assert "You may not invite and change people; ask whoever manages this site." in page
    assert ">annotator-1</a>" in page
    assert "Log out" in page


@pytest.mark.parametrize(
    ("path", "kind"), [("/boom", "text/html; charset=utf-8"), ("/api/v1/boom", "application/json")]
)
def test_a_fault_of_ours_tells_nothing_of_the_inside(web_site: WebSite, path: str, kind: str) -> None:
    add_fault(web_site)
    answer = quiet(web_site).get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (500, kind)
    assert "went wrong on our side" in answer.text
    assert not re.search("tank|RuntimeError|Traceback|steersman/", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_fault_of_ours_reaches_the_server_with_its_traceback(web_site: WebSite) -> None:
    add_fault(web_site)
    with pytest.raises(RuntimeError, match="tank"):
        web_site.stranger().get("/boom")


def test_a_statement_that_fails_keeps_its_values_out_of_the_log(web_site: WebSite) -> None:
    row = {"user_id": "annotator-1", "role": "annotator", "password_hash": "my-secret", "is_active": True}
    with pytest.raises(IntegrityError) as error, writing(web_site.engine) as connection:
        connection.execute(insert(USERS).values(**row, created_at="now"))
    assert "my-secret" not in str(error.value)


def test_a_client_that_hangs_up_is_no_fault_of_ours(web_site: WebSite) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "scheme": "http"}
    anyio.run(web_site.app, {**scope, "headers": [(b"sec-fetch-site", b"same-origin")]}, receive, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("number", ["00001" + "9" * 30, "9" * 5000, "-1", "1e9", "\u0661", "\x00"])
def test_a_strange_number_in_a_form_is_no_fault_of_ours(web_site: WebSite, number: str) -> None:
    task = web_site.service.claim(PROJECT, "annotator-1")
    assert task is not None
    form = {"action": "flag", "flag": "pii", "lease": task.lease, "revision": number, "active_seconds": number}
    assert web_site.browser("annotator-1").submit("/task/submit", form).status_code in (303, 422)


def test_whatever_somebody_is_called_is_shown_as_text(web_site: WebSite) -> None:
    page = web_site.stranger().post("/login", data={"name": "<img src=x>", "password": "x"}).text
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


def test_the_project_of_an_invitation_is_not_told_without_it(web_site: WebSite) -> None:
    assert PROJECT not in web_site.stranger().get("/join", params={"code": "guess"}).text
