"""Who may do what, route by route, as roles and scopes have it here and route_table.py has it of routes."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import pytest
from fastapi import FastAPI
from httpx2 import Response
from route_table import ROUTES
from routes_of_site import StatedRoute, stated_routes
from sqlalchemy import Engine, event
from starlette.routing import Mount
from web_site import SCOPE_USERS, Browser, WebSite

from steersman.store.database.people_tables import ROLES
from steersman.web.guard import CSRF_FIELD, CSRF_HEADER
from steersman.web.permissions import SCOPES, Permission, allowed

pytest_plugins = ("web_fixtures",)

# what each role may do; the site's own table is compared with this one
MAY: Mapping[str, set[str]] = {
    "owner": {"public", "signed in", "rate", "review", "read", "manage", "people", "own"},
    "manager": {"public", "signed in", "rate", "review", "read", "manage", "people"},
    "reviewer": {"public", "signed in", "rate", "review", "read"},
    "annotator": {"public", "signed in", "rate"},
}
OF_SCOPE: Mapping[str, set[str]] = {
    "annotate": {"public", "signed in", "rate"},
    "read": {"public", "signed in", "read"},
    "review": {"public", "signed in", "review", "read"},
    "manage": {"public", "signed in", "manage", "read"},
    "people": {"public", "signed in", "people"},
}
TAKES_FILES = {"/manage/settings/tasks"}
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def routes(app: FastAPI) -> list[StatedRoute]:
    found = list(stated_routes(app))
    assert found
    return found


def is_refused(route: StatedRoute, answer: Response) -> bool:
    """Whoever must log in first is sent there from pages; a form without a session is refused."""
    is_sent_away = answer.headers.get("location") == "/login" and route.path != "/logout"
    assert not is_sent_away or route.method == "GET"
    return is_sent_away or answer.status_code in REFUSED


def send(browser: Browser, route: StatedRoute, form: Mapping[str, str], **headers: str) -> Response:
    """Send a form, with a file where the route takes one."""
    files = {"tasks": ("tasks.jsonl", b"{}")} if route.path in TAKES_FILES else None
    return browser.request(route.method, route.url, data=form, files=files, headers=headers)


def call_page(browser: Browser, route: StatedRoute) -> Response:
    if route.method == "GET":
        return browser.get(route.url)
    # as a form and as a script of the page would; the role is one that all who act on people may act on
    return send(browser, route, {CSRF_FIELD: browser.csrf, "role": "annotator"}, **{CSRF_HEADER: browser.csrf})


def test_every_route_has_exactly_one_guard_and_asks_it_before_anything_else(web_site: WebSite) -> None:
    found = routes(web_site.app)
    assert [f"{each.method} {each.path}" for each in found if len(each.guards) != 1] == []
    assert [str(each) for each in found if not each.is_first] == []
    # the framework would read the whole body, however long, before it asks the guard
    assert [str(each) for each in found if each.reads_body_first] == []


def test_the_permission_of_every_route_is_the_one_listed_here(web_site: WebSite) -> None:
    stated = sorted(str(each) for each in routes(web_site.app))
    assert stated == sorted(line for line in ROUTES.split("\n") if line)


def test_beside_the_routes_only_files_of_the_package_are_served(web_site: WebSite) -> None:
    mounts = [route.path for route in web_site.app.routes if isinstance(route, Mount)]
    assert mounts == ["/static"]


def test_roles_and_scopes_may_do_what_is_listed_here() -> None:
    assert {role: {str(each) for each in allowed(role, None)} for role in ROLES} == MAY
    assert {scope: {str(each) for each in allowed("owner", (scope,))} for scope in SCOPES} == OF_SCOPE


def test_pages_only_open_at_their_door(web_site: WebSite) -> None:
    """The API takes no session, pages take no token: what a browser sends by itself must carry a form's text."""
    token, browser = web_site.program(*SCOPES, user_id="owner-1"), web_site.browser("owner-1")
    for route in routes(web_site.app):
        client = {"page": token, "api": browser}.get(route.door)
        if client is not None:
            answer = client.request(route.method, route.url)
            assert is_refused(route, answer), str(route)


@pytest.mark.parametrize("method", ["page", "api"])
def test_without_a_session_or_token_nothing_but_open_routes_can_be_used(web_site: WebSite, method: str) -> None:
    client = web_site.stranger()
    if method == "api":
        client.headers["authorization"] = "Bearer forged"
    for route in routes(web_site.app):
        answer = client.request(route.method, route.url)
        if route.permission is not Permission.PUBLIC:
            assert is_refused(route, answer), str(route)
        else:
            assert answer.status_code != HTTPStatus.FORBIDDEN, str(route)
            assert "location" not in answer.headers, str(route)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_the_pages_of_its_permissions_and_no_others(web_site: WebSite, role: str) -> None:
    for route in routes(web_site.app):
        if route.door == "page":
            # a browser of its own for each: one of the routes logs out
            answer = call_page(web_site.browser(f"{role}-1"), route)
            assert is_refused(route, answer) == (route.permission not in MAY[role]), f"{route}: {answer}"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_opens_the_api_of_its_scope_and_no_other(web_site: WebSite, scope: str) -> None:
    _check_api(web_site, scope, user_id=SCOPE_USERS[scope], may=OF_SCOPE[scope])


@pytest.mark.parametrize("role", ROLES)
def test_a_token_of_all_scopes_may_do_what_its_users_role_may(web_site: WebSite, role: str) -> None:
    # to own is a matter of sessions: no scope gives it
    _check_api(web_site, *SCOPES, user_id=f"{role}-1", may=MAY[role] - {"own"})


def test_a_token_without_scopes_opens_nothing(web_site: WebSite) -> None:
    _check_api(web_site, user_id="owner-1", may={"public", "signed in"})


def test_a_form_without_its_anti_forgery_text_is_refused_by_every_page(web_site: WebSite) -> None:
    for route in routes(web_site.app):
        if route.door == "page" and route.method != "GET":
            user = "annotator-1" if route.permission is Permission.RATE else "owner-1"
            other = web_site.browser("annotator-2").csrf
            for sent in ({}, {CSRF_FIELD: other}, {CSRF_FIELD: ""}):
                answer = send(web_site.browser(user), route, sent)
                assert answer.status_code == HTTPStatus.FORBIDDEN, str(route)


def test_a_form_that_another_site_sent_is_refused_by_every_page(web_site: WebSite) -> None:
    signs = (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    )
    for route in routes(web_site.app):
        if route.door != "api" and route.method != "GET":
            browser = web_site.browser("annotator-1" if route.permission is Permission.RATE else "owner-1")
            for sign in signs:
                answer = send(browser, route, {CSRF_FIELD: browser.csrf}, **{CSRF_HEADER: browser.csrf, **sign})
                assert answer.status_code == HTTPStatus.FORBIDDEN, f"{route} {sign}"


def test_no_page_repeats_the_host_that_a_client_names(web_site: WebSite) -> None:
    for route in routes(web_site.app):
        if route.method == "GET" and route.door != "api":
            answer = web_site.browser("owner-1").get(route.url, headers={"host": "evil.example"})
            assert "evil.example" not in answer.text + json.dumps(dict(answer.headers)), str(route)


def test_a_page_looks_its_session_up_once(web_site: WebSite) -> None:
    seen: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    pages = [route for route in routes(web_site.app) if route.door == "page" and route.method == "GET"]
    browsers = [web_site.browser("annotator-1" if each.permission is Permission.RATE else "owner-1") for each in pages]
    event.listen(Engine, "before_cursor_execute", look)
    try:
        for route, browser in zip(pages, browsers, strict=True):
            seen.clear()
            browser.get(route.url)
            assert sum("JOIN sessions" in each for each in list(seen)) == 1, str(route)
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def test_a_slash_too_many_leads_nowhere(web_site: WebSite) -> None:
    answer = web_site.browser("annotator-1").get("/password/", headers={"host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def _check_api(web_site: WebSite, *scopes: str, user_id: str, may: set[str]) -> None:
    program = web_site.program(*scopes, user_id=user_id)
    for route in routes(web_site.app):
        if route.door == "api":
            answer = program.request(route.method, route.url, json=None if route.method == "GET" else {})
            assert is_refused(route, answer) == (route.permission not in may), f"{route}: {answer.text}"
