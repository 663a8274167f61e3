"""Drafts, heartbeats and undo: what is half done or just done is never lost."""

import json

import pytest
from rating_forms import checked, full_form, opened, rate
from web_site import PROJECT, Browser, WebSite

from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.connection import writing
from steersman.store.database.people import add_member
from steersman.store.database.projects import mark_guideline_seen
from steersman.web.drafts import draft_of_answer, draft_text, milliseconds, read_draft, read_draft_body

pytest_plugins = ("web_fixtures",)
SAVED = "Your last answer is saved."


def keep(browser: Browser, lease: str, fields: dict[str, list[str]], *, at: int = 5, seconds: float = 0.0) -> object:
    draft = {"at": at, "active_seconds": seconds, "fields": fields}
    answer = browser.fetch("/task/draft", {"lease": lease, "draft": draft})
    assert answer.status_code == 200, answer.text
    return answer.json()


def followed(browser: Browser, path: str) -> str:
    """Send a form without fields, follow where it leads and return that page."""
    return browser.get(browser.submit(path, {}).headers["location"]).text


def test_a_draft_fills_the_page_in_on_another_machine(web_site: WebSite) -> None:
    first = web_site.browser("annotator-1")
    fields = {"left_helpfulness": ["2"], "right_unsafe_reason": ["bias", "illegal"], "justification": ["A <b>"]}
    assert keep(first, opened(first), fields, seconds=12.5) == {"state": "active"}
    page = web_site.browser("annotator-1").get("/task").text
    filled = {"left_helpfulness=2", "right_unsafe_reason=bias", "right_unsafe_reason=illegal"}
    assert set(checked(page)) == filled
    assert "\nA &lt;b&gt;</textarea>" in page
    assert 'name="active_seconds" value="12.5"' in page


def test_the_page_tells_how_old_its_draft_is(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    assert 'data-draft-at="0"' in browser.get("/task").text
    keep(browser, opened(browser), {"left_helpfulness": ["2"]}, at=77)
    assert 'data-draft-at="77"' in browser.get("/task").text


def test_the_clock_of_a_browser_cannot_make_a_draft_newer_than_now(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    keep(browser, opened(browser), {}, at=10**15)
    now = milliseconds(web_site.clock())
    assert f'data-now="{now}" data-draft-at="{now}"' in browser.get("/task").text


def test_the_last_draft_counts(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    keep(browser, lease, {"left_helpfulness": ["2"], "left_coherence": ["1"]})
    keep(browser, lease, {"left_helpfulness": ["3"]})
    assert checked(browser.get("/task").text) == ["left_helpfulness=3"]


def test_a_draft_of_a_program_that_is_no_form_leaves_the_page_empty(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    web_site.service.save_draft("annotator-1", lease=opened(browser), draft="anything at all")
    assert checked(browser.get("/task").text) == []


@pytest.mark.parametrize(
    "draft",
    [
        {"at": 1},
        {"at": -1, "fields": {}},
        {"at": 1, "fields": {"a" * 33: ["x"]}},
        {"at": 1, "fields": {"<b>": ["x"]}},
        {"at": 1, "fields": {"a": "x"}},
        {"at": 1, "fields": {"a": ["x" * 8001]}},
        {"at": 1, "fields": {f"a{'_' * count}": ["x"] for count in range(30)} | {f"b{'_' * c}": [] for c in range(30)}},
        {"at": 1, "fields": {}, "more": 1},
    ],
)
def test_what_no_page_would_send_is_no_draft(web_site: WebSite, draft: object) -> None:
    browser = web_site.browser("annotator-1")
    answer = browser.fetch("/task/draft", {"lease": opened(browser), "draft": draft})
    assert answer.status_code == 422
    assert "this draft cannot be read" in answer.text.lower()


@pytest.mark.parametrize("path", ["/task/draft", "/task/heartbeat"])
def test_drafts_and_heartbeats_need_the_anti_forgery_header(web_site: WebSite, path: str) -> None:
    browser = web_site.browser("annotator-1")
    body = {"lease": opened(browser), "draft": {"at": 1, "fields": {}}}
    assert browser.post(path, json=body).status_code == 403


@pytest.mark.parametrize(
    ("path", "more"), [("/task/draft", {"draft": {"at": 1, "fields": {}}}), ("/task/heartbeat", {})]
)
def test_nobody_keeps_a_draft_or_a_lease_for_somebody_else(web_site: WebSite, path: str, more: object) -> None:
    lease = opened(web_site.browser("annotator-1"))
    body = {"lease": lease, **(more if isinstance(more, dict) else {})}
    assert web_site.browser("annotator-2").fetch(path, body).status_code == 404


def test_a_heartbeat_without_a_lease_is_refused(web_site: WebSite) -> None:
    assert web_site.browser("annotator-1").fetch("/task/heartbeat", {}).status_code == 422


@pytest.mark.parametrize("sign", ["/task/heartbeat", "/task/draft"])
def test_an_open_page_keeps_its_task(web_site: WebSite, sign: str) -> None:
    """A lease lasts 20 minutes: after twice 15 it would be gone without a sign of life between."""
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    body: dict[str, object] = {"lease": lease}
    body |= {"draft": {"at": 1, "fields": {}}} if sign == "/task/draft" else {}
    web_site.clock.move(minutes=15)
    assert browser.fetch(sign, body).json() == {"state": "active"}
    web_site.clock.move(minutes=15)
    web_site.browser("annotator-2").get("/task")
    assert browser.fetch("/task/heartbeat", {"lease": lease}).json() == {"state": "active"}


def lose_task(site: WebSite) -> str:
    """Let `annotator-1` hold a task too long, until three others have it, and return its lease."""
    lease = opened(site.browser("annotator-1"))
    for name in ("annotator-2", "annotator-3"):
        rate(site.browser(name))
    site.clock.move(hours=1)
    join(site, "late")
    opened(site.browser("late"))
    return lease


def join(site: WebSite, user_id: str) -> None:
    site.new_user(user_id)
    with writing(site.engine) as connection:
        add_member(connection, PROJECT, user_id, stage="working", by=site.by)
        mark_guideline_seen(connection, PROJECT, user_id, version=1, now=site.clock())


def test_a_page_whose_task_went_to_someone_else_says_so_and_still_takes_the_answer(web_site: WebSite) -> None:
    lease = lose_task(web_site)
    browser = web_site.browser("annotator-1")
    assert browser.fetch("/task/heartbeat", {"lease": lease}).json() == {"state": "expired"}
    page = browser.get("/task", params={"lease": lease}).text
    assert 'id="lost">This task has gone to someone else' in page
    rate(web_site.browser("late"))
    assert browser.submit("/task/submit", full_form(lease)).status_code == 303


def test_a_held_task_does_not_say_that_it_is_lost(web_site: WebSite) -> None:
    assert 'id="lost" hidden>' in web_site.browser("annotator-1").get("/task").text


def test_the_last_answer_comes_back_filled_in(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    form = full_form(lease, right_helpfulness="1", left_unsafe="1", left_unsafe_reason=["bias"], strength="-2")
    browser.submit("/task/submit", form)
    page = followed(browser, "/task/undo")
    assert f'name="lease" value="{lease}"' in page
    assert 'name="revision" value="1"' in page
    again = {"right_helpfulness=1", "left_helpfulness=3", "left_unsafe=1", "left_unsafe_reason=bias", "strength=-2"}
    assert again <= set(checked(page))
    assert "\nB is a little clearer.</textarea>" in page


def test_an_answer_after_an_undo_replaces_it(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    browser.submit("/task/submit", full_form(lease))
    browser.submit("/task/undo", {})
    assert browser.submit("/task/submit", full_form(lease, score=1, revision="1")).status_code == 303
    assert opened(browser) != lease


def test_undo_is_offered_for_a_while_after_an_answer(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    assert SAVED not in browser.get("/task").text
    answer = rate(browser)
    assert "Max-Age=600" in answer.headers["set-cookie"]
    assert SAVED in browser.get("/task").text
    assert SAVED not in followed(browser, "/task/undo")


def test_undo_without_an_answer_says_why_not(web_site: WebSite) -> None:
    answer = web_site.browser("annotator-1").submit("/task/undo", {})
    assert answer.status_code == 409
    assert "no answer to take back" in answer.text


def test_undo_needs_the_anti_forgery_text(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    rate(browser)
    assert browser.post("/task/undo", data={}).status_code == 403


def test_a_draft_reads_back_as_it_was_kept(web_site: WebSite) -> None:
    now = web_site.clock()
    sent = read_draft_body(json.dumps({"lease": "x", "draft": {"at": 5, "fields": {"flag": ["pii"]}}}).encode())
    assert read_draft(draft_text(sent.draft, now=now)) == sent.draft
    assert read_draft(None) is None


def test_an_answer_makes_a_draft_that_the_page_can_read(web_site: WebSite) -> None:
    rated = ResponseScores((1, 2, 3, 4, 0), 1, safe=True)
    answer = Answer("x", (rated, rated), comparison=Comparison(None, "No."), active_seconds=3.5)
    draft = read_draft(draft_of_answer(answer, now=web_site.clock()))
    assert draft is not None
    assert (draft.at, draft.active_seconds) == (milliseconds(web_site.clock()), 3.5)
    assert (draft.fields["strength"], draft.fields["right_verbosity"]) == (["neither"], ["0"])
