"""Whatever stands in an address or a form, the site answers with words of its own and no fault."""

import inspect
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts
from httpx2 import Response
from routes_of_site import StatedRoute, stated_routes
from starlette.testclient import TestClient
from web_site import WebSite

from steersman.web.guard import CSRF_FIELD, CSRF_HEADER
from steersman.web.permissions import SCOPES, Permission

pytest_plugins = ("web_fixtures",)

HOSTILE = (
    "\x00",
    "' OR '1'='1",
    "../../etc/passwd",
    "%s%n{{7*7}}${7*7}",
    "<script>alert(1)</script>",
    "9" * 30,
    "-1",
    "\u202e\u0661\ufffd\U0001f600",
    "a" * 5000,
)


def parameters(web_site: WebSite) -> Iterator[tuple[StatedRoute, list[str]]]:
    """Yield each route with the names of what its endpoint takes."""
    stated = {(each.method, each.path): each for each in stated_routes(web_site.app)}
    for route in iter_route_contexts(web_site.app.routes):
        if route.endpoint is not None:
            names = list(inspect.signature(route.endpoint).parameters)
            for method in route.methods or ():
                if (method, route.path) in stated:
                    yield stated[method, str(route.path)], names


def client_for(web_site: WebSite, route: StatedRoute) -> tuple[TestClient, dict[str, str], dict[str, str]]:
    """Return who may use a route, and the fields and headers that every form of theirs carries."""
    user_id = "annotator-1" if route.permission is Permission.RATE else "owner-1"
    if route.door == "api":
        return web_site.program(*SCOPES, user_id=user_id), {}, {}
    browser = web_site.browser(user_id)
    return browser, {CSRF_FIELD: browser.csrf}, {CSRF_HEADER: browser.csrf}


def is_calm(answer: Response) -> bool:
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    return answer.status_code < 500 and not (is_page and "<script>alert" in answer.text)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_in_addresses_are_answered(web_site: WebSite, value: str) -> None:
    for route, names in parameters(web_site):
        client, form, headers = client_for(web_site, route)
        path = re.sub(r"{(\w+)(:\w+)?}", quote(value, safe=""), route.path)
        query = dict.fromkeys(names, value)
        if route.method == "GET":
            answer = client.get(path, params=query)
        else:
            answer = client.request(route.method, path, params=query, data=form, headers=headers)
        assert is_calm(answer), f"{route}: {answer.text}"
