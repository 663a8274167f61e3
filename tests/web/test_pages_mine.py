"""Own statistics, and how far the project is: what an annotator may know, and no more."""

import re

import pytest
from rating_forms import full_form, opened, rate
from web_site import NOON, PROJECT, WebSite, new_task

from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.own_statistics import own_statistics
from steersman.store.database.people import add_member
from steersman.store.database.projects import add_project, change_settings, mark_guideline_seen
from steersman.store.database.tasks import add_tasks
from steersman.web.progress import ProgressBoard

pytest_plugins = ("web_fixtures",)


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))


def levels(page: str) -> dict[str, list[int]]:
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page, flags=re.DOTALL)
    return {name: [int(each) for each in re.findall(r"<td>(\d+)<meter", cells)] for name, cells in rows}


def test_an_annotator_sees_how_much_they_did_and_how_fast(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    for seconds in (20, 90, 130):
        lease = opened(browser)
        web_site.clock.move(minutes=5)
        browser.submit("/task/submit", full_form(lease, active_seconds=str(seconds)))
    web_site.clock.move(hours=24)
    rate(browser, action="flag", flag=["pii"], active_seconds="0")
    told = figures(browser.get("/me").text)
    assert told == {"Answered": "4", "Today (UTC)": "1", "Time for a task": "0 min 55 s", "Flagged": "1"}


def test_levels_are_counted_by_scale(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    rate(browser, score=3)
    rate(browser, score=1, left_coherence="4")
    told = levels(browser.get("/me").text)
    assert told["Helpfulness"] == [0, 2, 0, 2, 0]
    assert told["Coherence"] == [0, 1, 0, 2, 1]


def test_answers_that_were_taken_back_do_not_count(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    rate(browser)
    browser.submit("/task/undo", {})
    page = browser.get("/me").text
    assert figures(page)["Answered"] == "0"
    assert sum(levels(page)["Helpfulness"]) == 0


def test_nothing_of_other_annotators_is_told(web_site: WebSite) -> None:
    rate(web_site.browser("annotator-2"))
    page = web_site.browser("annotator-1").get("/me").text
    assert "annotator-2" not in page
    assert figures(page)["Answered"] == "0"


def test_training_and_test_are_not_counted_as_work(web_site: WebSite) -> None:
    browser = web_site.browser("trainee-1")
    browser.submit("/guideline/read", {"version": "1"})
    rate(browser)
    page = browser.get("/me").text
    assert figures(page)["Answered"] == "0"
    assert "Training: 1 of 2 tasks done." in page


@pytest.mark.parametrize(("score", "told"), [(4, "agreed well"), (0, "differed")])
def test_gold_is_told_in_a_word_and_not_before_the_next_day(web_site: WebSite, score: int, told: str) -> None:
    """Known helpfulness is 4 and 0: with one level off allowed, one of two is right by any constant score."""
    gold = {"share": 0.5, "min_responses": 2, "max_failures": 0.4 if score == 0 else 0.5}
    with writing(web_site.engine) as connection:
        change_settings(connection, PROJECT, {"gold": gold}, by=Act(None, NOON))
    web_site.more_work()
    browser = web_site.browser("annotator-1")
    for _ in range(20):
        if 'name="lease"' in browser.get("/task").text:
            rate(browser, score=score)
    assert "what is known." not in re.sub(r"Too many.*?known\.", "", browser.get("/me").text)
    web_site.clock.move(hours=24)
    assert told in browser.get("/me").text


def test_statistics_of_somebody_without_answers_are_empty(web_site: WebSite) -> None:
    with reading(web_site.engine) as connection:
        found = own_statistics(connection, PROJECT, "annotator-1", since=NOON)
    assert (found.num_answered, found.num_since, found.num_flagged, found.median_seconds) == (0, 0, 0, None)
    assert found.levels == ((0,) * 5,) * 5


def second_project(site: WebSite) -> None:
    with writing(site.engine) as connection:
        by = Act(None, NOON)
        add_project(connection, "winter", title="Winter ratings", settings={}, guideline="# Winter", by=by)
        add_tasks(connection, "winter", [new_task(90)], need=3, by=by)
        add_member(connection, "winter", "annotator-1", stage="working", by=by)
        mark_guideline_seen(connection, "winter", "annotator-1", version=1, now=NOON)


def test_whoever_takes_part_in_two_projects_chooses_and_stays(web_site: WebSite) -> None:
    second_project(web_site)
    browser = web_site.browser("annotator-1")
    assert "Prompt of rating-0?" in browser.get("/task").text
    assert 'href="/task?project=winter">Winter ratings</a>' in browser.get("/me").text
    assert "Prompt of rating-90?" in browser.get("/task", params={"project": "winter"}).text
    assert "Prompt of rating-90?" in browser.get("/task").text
    assert "<strong>Winter ratings</strong>" in browser.get("/me").text


def test_a_project_in_which_somebody_takes_no_part_stays_closed(web_site: WebSite) -> None:
    second_project(web_site)
    browser = web_site.browser("annotator-2")
    assert browser.get("/task", params={"project": "winter"}).status_code == 404
    browser.cookies.set("steersman_project", "winter", domain="testserver.local", path="/")
    assert [browser.get(path).status_code for path in ("/task", "/me", "/guideline")] == [200] * 3


def test_the_bar_tells_how_far_the_project_is(web_site: WebSite) -> None:
    for name in ("annotator-1", "annotator-2", "annotator-3"):
        rate(web_site.browser(name))
    page = web_site.browser("annotator-1").get("/task").text
    assert "You: 1" in page
    assert re.search(r"Project: \d of 8", page)
    assert ProgressBoard(web_site.engine).counts(PROJECT).finished == 1


def test_progress_is_counted_again_after_a_while_only(web_site: WebSite) -> None:
    moment = [100.0]
    board = ProgressBoard(web_site.engine, clock=lambda: moment[0])
    assert board.counts(PROJECT).finished == 0
    for name in ("annotator-1", "annotator-2", "annotator-3"):
        rate(web_site.browser(name))
    moment[0] += 4.9
    assert board.counts(PROJECT).finished == 0
    moment[0] += 0.2
    assert board.counts(PROJECT).finished == 1
