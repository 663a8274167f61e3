"""The way of an annotator: guideline, training with what was right, test, work, and what stands where there is none."""

import re

import pytest
from rating_forms import full_form, opened, rate
from web_site import PROJECT, Browser, WebSite

from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.people import change_stage, read_member
from steersman.store.database.projects import change_guideline, change_settings, seen_guideline
from steersman.store.database.reviewing import end_task
from steersman.web.guideline import default_guideline
from steersman.web.pages.showing import changed_lines
from steersman.web.rendering import paper

pytest_plugins = ("web_fixtures",)
TRAINEE = "trainee-1"


def read_guideline(browser: Browser, version: int = 1) -> None:
    assert browser.submit("/guideline/read", {"version": str(version)}).status_code == 303


def put(site: WebSite, user_id: str, stage: str, *, reason: str | None = None) -> None:
    with writing(site.engine) as connection:
        change_stage(connection, read_member(connection, PROJECT, user_id), stage=stage, reason=reason, by=site.by)


def rewrite(site: WebSite, text: str) -> None:
    with writing(site.engine) as connection:
        change_guideline(connection, PROJECT, text, by=site.by)


def headings(page: str) -> list[str]:
    return re.findall(r"<h1[^>]*>(.*?)</h1>", page)


def test_whoever_is_new_reads_the_guideline_first(web_site: WebSite) -> None:
    browser = web_site.browser(TRAINEE)
    page = browser.get("/task").text
    assert "Please read this before you start." in page
    assert "Rate <em>both</em> responses." in page
    assert "I have read this" in page
    assert 'name="lease"' not in page


def test_having_read_the_guideline_is_kept_and_tasks_come(web_site: WebSite) -> None:
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    with reading(web_site.engine) as connection:
        assert seen_guideline(connection, PROJECT, TRAINEE) == 1
    assert opened(browser)


def test_a_changed_guideline_is_shown_with_what_is_new(web_site: WebSite) -> None:
    rewrite(web_site, "# What to do\n\nRate **each** response.\n\n- Be kind.")
    browser = web_site.browser("annotator-1")
    page = browser.get("/task").text
    assert "The guideline has changed." in page
    assert '<del><span class="unseen">Gone: </span>Rate <em>both</em> responses.</del>' in page
    assert '<ins><span class="unseen">New: </span>Rate <strong>each</strong> response.</ins>' in page
    assert '<ins><span class="unseen">New: </span>Be kind.</ins>' in page
    read_guideline(browser, 2)
    assert opened(browser)


def test_a_task_that_is_open_stays_when_the_guideline_changes(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    rewrite(web_site, "# New")
    assert "I have read this" in browser.get("/task").text
    assert browser.submit("/task/submit", full_form(lease)).status_code == 303


def test_the_guideline_can_be_read_again_at_any_time(web_site: WebSite) -> None:
    page = web_site.browser("annotator-1").get("/guideline").text
    assert headings(page)[0] == "What to do"
    assert "I have read this" not in page
    assert "What has changed" not in page


@pytest.mark.parametrize(("version", "status"), [("", 422), ("x", 422), ("1" * 12, 422), ("7", 404)])
def test_only_a_version_that_there_is_can_be_read(web_site: WebSite, version: str, status: int) -> None:
    assert web_site.browser(TRAINEE).submit("/guideline/read", {"version": version}).status_code == status


def test_reading_needs_the_anti_forgery_text(web_site: WebSite) -> None:
    assert web_site.browser(TRAINEE).post("/guideline/read", data={"version": "1"}).status_code == 403


def test_changes_leave_out_blank_lines_and_rules_of_tables() -> None:
    assert changed_lines("a\nb\n", "a\n\n|---|\nc\n") == [("-", "b"), ("+", "c")]


def test_training_shows_own_scores_beside_the_right_ones_and_why(web_site: WebSite) -> None:
    """The known scores are 4 4 4 2 2 and 0 1 3 1 1; the answer says 3 everywhere."""
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    lease = opened(browser)
    answer = browser.submit("/task/submit", full_form(lease))
    assert answer.headers["location"] == f"/task/feedback?lease={lease}"
    page = browser.get(answer.headers["location"]).text
    assert "It answers well." in page
    assert "It is wrong." in page
    assert len(re.findall(r"<td>3</td>", page)) == 10
    told = re.findall(r'class="verdict (?:near|far)">(.*?)</span>', page)
    assert sorted(told) == sorted(["one off"] * 5 + ["too high", "too high", "same", "too high", "too high"])


def test_training_counts_its_tasks(web_site: WebSite) -> None:
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    assert "Training: task 1 of 2" in browser.get("/task").text
    page = browser.get(rate(browser).headers["location"]).text
    assert "Training: 1 of 2 tasks done" in page
    assert "Training: task 2 of 2" in browser.get("/task").text


def test_right_scores_of_other_tasks_are_never_shown(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    browser.submit("/task/submit", full_form(lease))
    answer = browser.get("/task/feedback", params={"lease": lease})
    assert (answer.status_code, answer.headers["location"]) == (303, "/task")


def test_right_scores_come_after_the_answer_only(web_site: WebSite) -> None:
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    answer = browser.get("/task/feedback", params={"lease": opened(browser)})
    assert answer.headers["location"] == "/task"


def test_tasks_of_training_and_test_cannot_be_given_away_or_taken_back(web_site: WebSite) -> None:
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    for _ in range(3):
        page = browser.get("/task").text
        assert "Give this task to someone else" not in page
        form = {"lease": opened(browser), "action": "skip", "skip_reason": "other"}
        assert browser.submit("/task/submit", form).status_code == 422
        assert "set-cookie" not in rate(browser).headers
        assert browser.submit("/task/undo", {}).status_code == 409


def test_the_test_counts_responses_and_a_good_one_leads_to_work(web_site: WebSite) -> None:
    """Within one level of 4 4 4 2 2 and 0 1 3 1 1 are 3 3 3 3 3 and 1 1 3 1 1: all right, 75 % are needed."""
    put(web_site, "annotator-1", "qualifying")
    web_site.clock.move(seconds=1)
    browser = web_site.browser("annotator-1")
    counted = []
    for _ in range(2):
        page = browser.get("/task").text
        counted += re.findall(r"Test: (\d of \d) responses", page)
        left_is_good = page.index("Response 0 of") < page.index("Response 1 of")
        bad = "right" if left_is_good else "left"
        scores = {f"{bad}_{name}": "1" for name in ("helpfulness", "correctness", "complexity", "verbosity")}
        browser.submit("/task/submit", {**full_form(opened(browser)), **scores})
    assert counted == ["0 of 4", "2 of 4"]
    assert "Prompt of rating-0?" in browser.get("/task").text


def test_a_failed_test_says_how_it_went_and_what_to_do(web_site: WebSite) -> None:
    put(web_site, "annotator-1", "qualifying")
    web_site.clock.move(seconds=1)
    browser = web_site.browser("annotator-1")
    for _ in range(2):
        rate(browser, score=4)
    page = browser.get("/task").text
    assert headings(page) == ["The test is over"]
    assert "% of the scores of your test were right." in page
    assert "Ask your manager" in page


@pytest.mark.parametrize(
    ("stage", "title"),
    [("paused", "You are paused"), ("failed", "The test is over"), ("left", "You have left this project")],
)
def test_whoever_gets_no_tasks_is_told_why(web_site: WebSite, stage: str, title: str) -> None:
    put(web_site, "annotator-1", stage, reason="Because of <this>.")
    page = web_site.browser("annotator-1").get("/task").text
    assert headings(page) == [title]
    assert "Because of &lt;this&gt;." in page


def test_whoever_gets_no_tasks_need_not_read_a_new_guideline(web_site: WebSite) -> None:
    put(web_site, "annotator-1", "paused")
    rewrite(web_site, "# New")
    assert headings(web_site.browser("annotator-1").get("/task").text) == ["You are paused"]


def test_when_all_is_rated_the_page_says_so(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    for _ in range(8):
        rate(browser)
    page = browser.get("/task").text
    assert headings(page) == ["Nothing for you right now"]
    assert "You have answered 8 tasks." in page


def test_no_gold_task_comes_alone_when_all_others_are_rated(web_site: WebSite) -> None:
    """Whoever looks in again twenty times would get one by a share of a half, but for a chance of 2 ** -20."""
    browser = web_site.browser("annotator-1")
    for _ in range(8):
        rate(browser)
    with writing(web_site.engine) as connection:
        change_settings(connection, PROJECT, {"gold": {"share": 0.5}}, by=web_site.by)
    assert {headings(browser.get("/task").text)[0] for _ in range(20)} == {"Nothing for you right now"}


def test_training_goes_on_to_the_test_when_a_task_of_it_was_ended(web_site: WebSite) -> None:
    """Two of two are answered, and one of them is given out no more."""
    browser = web_site.browser(TRAINEE)
    read_guideline(browser)
    for _ in range(2):
        rate(browser)
    with writing(web_site.engine) as connection:
        end_task(connection, PROJECT, "training-0", note=None, by=Act("owner-1", web_site.clock()))
    assert "Test: 0 of 4 responses" in browser.get("/task").text


def test_a_test_without_enough_tasks_says_so(web_site: WebSite) -> None:
    put(web_site, "annotator-1", "qualifying")
    web_site.clock.move(seconds=1)
    browser = web_site.browser("annotator-1")
    rate(browser, score=4)
    put(web_site, "annotator-1", "qualifying")
    rate(browser, score=4)
    assert headings(browser.get("/task").text) == ["The test has no more tasks"]


def test_the_default_guideline_covers_all_that_the_page_asks() -> None:
    page = paper(default_guideline())
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert {"Helpfulness", "Correctness", "Coherence", "Complexity", "Verbosity", "Safety", "When to flag"} <= set(
        titles
    )
    assert page.count("<table>") == 5
