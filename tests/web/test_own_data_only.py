"""An annotator sees their own tasks and numbers, and nothing of anybody else."""

import re
from collections.abc import Callable, Mapping

import pytest
from httpx2 import Response
from routes_of_site import stated_routes
from web_site import PROJECT, WebSite

from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.web.permissions import Permission

pytest_plugins = ("web_fixtures",)

SCORES = dict.fromkeys(ATTRIBUTES, 2)
FORM = {f"{side}_{name}": "2" for side in ("left", "right") for name in ATTRIBUTES}
DRAFT = {"at": 0, "fields": {}}

# what an annotator can do with a lease, by page and by API
PAGE_CALLS: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "look": ("GET", "/task", {}),
    "feedback": ("GET", "/task/feedback", {}),
    "rate": ("FORM", "/task/submit", {"action": "rate", **FORM}),
    "rate nothing": ("FORM", "/task/submit", {"action": "rate"}),
    "flag": ("FORM", "/task/submit", {"action": "flag", "flag": "pii"}),
    "flag nothing": ("FORM", "/task/submit", {"action": "flag"}),
    "skip": ("FORM", "/task/submit", {"action": "skip", "skip_reason": "long"}),
    "skip without a reason": ("FORM", "/task/submit", {"action": "skip"}),
    "keep a draft": ("JSON", "/task/draft", {"draft": DRAFT}),
    "heartbeat": ("JSON", "/task/heartbeat", {}),
}
API_CALLS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "rate": ("/api/v1/submit", {"responses": [SCORES, SCORES]}),
    "flag": ("/api/v1/submit", {"flags": ["pii"]}),
    "skip": ("/api/v1/skip", {}),
    "keep a draft": ("/api/v1/draft", {"draft": "x"}),
    "heartbeat": ("/api/v1/heartbeat", {}),
}


def call_page(web_site: WebSite, user_id: str, name: str, lease: str) -> Response:
    how, path, body = PAGE_CALLS[name]
    browser = web_site.browser(user_id)
    if how == "GET":
        return browser.get(path, params={"lease": lease})
    if how == "JSON":
        return browser.fetch(path, {**body, "lease": lease})
    return browser.submit(path, {**{key: str(value) for key, value in body.items()}, "lease": lease})


def call_api(web_site: WebSite, user_id: str, name: str, lease: str) -> Response:
    path, body = API_CALLS[name]
    return web_site.program("annotate", user_id=user_id).post(path, json={**body, "lease": lease})


def said(answer: Response) -> str:
    """The text of an answer but for the session's anti-forgery text."""
    return re.sub(r'value="[0-9a-f]{64}"', "", answer.text)


def claimed(web_site: WebSite, user_id: str) -> str:
    task = web_site.service.claim(PROJECT, user_id)
    assert task is not None
    return task.lease


def rate(web_site: WebSite, user_id: str, *, justification: str) -> str:
    """Answer the next task, and return its lease."""
    lease = claimed(web_site, user_id)
    scores = ResponseScores(tuple(SCORES.values()))
    comparison = Comparison(1, justification)
    web_site.service.submit(user_id, answer=Answer(lease, (scores, scores), comparison=comparison))
    return lease


Caller = Callable[[WebSite, str, str, str], Response]
CALLS = [(call_page, name) for name in PAGE_CALLS] + [(call_api, name) for name in API_CALLS]
NAMES = [f"{call.__name__}-{name}" for call, name in CALLS]


@pytest.mark.parametrize(("call", "name"), CALLS, ids=NAMES)
def test_the_lease_of_somebody_else_is_as_unknown_as_any_other(web_site: WebSite, call: Caller, name: str) -> None:
    lease = claimed(web_site, "annotator-2")
    theirs, nobodys = (call(web_site, "annotator-1", name, each) for each in (lease, "no-such-lease"))
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert said(theirs) == said(nobodys)
    with_it = web_site.service.task("annotator-2", lease=lease)
    assert (with_it.state, with_it.draft, with_it.revision) == ("active", None, 0)


@pytest.mark.parametrize(("call", "name"), CALLS, ids=NAMES)
def test_the_answered_lease_of_somebody_else_is_unknown_too(web_site: WebSite, call: Caller, name: str) -> None:
    lease = rate(web_site, "annotator-2", justification="because of the third line")
    answer = call(web_site, "annotator-1", name, lease)
    assert (answer.status_code, "third line" in answer.text) == (404, False)


def test_managers_have_no_door_to_the_leases_of_annotators_either(web_site: WebSite) -> None:
    lease = claimed(web_site, "annotator-2")
    assert call_page(web_site, "owner-1", "look", lease).status_code == 404
    assert call_api(web_site, "manager-1", "heartbeat", lease).status_code == 404


def test_what_annotators_may_open_names_nobody_else_and_no_generator(web_site: WebSite) -> None:
    for user_id in ("annotator-2", "annotator-3"):
        rate(web_site, user_id, justification="because of the third line")
    mine = rate(web_site, "annotator-1", justification="it is shorter than the other")
    browser, program = web_site.browser("annotator-1"), web_site.program("annotate")
    opened = 0
    for route in stated_routes(web_site.app):
        if route.permission in (Permission.RATE, Permission.SIGNED_IN) and route.method == "GET":
            client = program if route.door == "api" else browser
            text = client.get(route.url, params={"lease": mine} if route.path == "/task/feedback" else {}).text
            opened += 1
            for secret in ("annotator-2", "annotator-3", "owner-1", "third line", "model-0", "model-1"):
                assert secret not in text, f"{route}: {secret}"
    assert opened > 4


def test_undoing_reaches_no_answer_of_somebody_else(web_site: WebSite) -> None:
    rate(web_site, "annotator-2", justification="because of the third line")
    answers = [
        web_site.browser("annotator-1").submit("/task/undo", {}),
        web_site.program("annotate").post("/api/v1/undo"),
    ]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert not any("third line" in answer.text for answer in answers)


@pytest.mark.parametrize("project", ["winter", "summer' OR '1'='1", "\x00", "a" * 300])
def test_a_project_one_does_not_take_part_in_is_unknown(web_site: WebSite, project: str) -> None:
    web_site.new_project("winter")
    browser = web_site.browser("annotator-1")
    for path in ("/task", "/guideline", "/me"):
        assert browser.get(path, params={"project": project}).status_code in (404, 422)
    status = web_site.program("annotate").get("/api/v1/status", params={"project": project}).status_code
    assert status in (404, 422)
