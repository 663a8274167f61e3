import re

import pytest
from rating_forms import checked, error_of, full_form, lease_of, opened, rate
from web_site import NOON, PROJECT, WebSite

from steersman.records import ATTRIBUTES, Message, prompt_to_text
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.exporting import read_preferences, read_ratings
from steersman.store.database.projects import change_settings
from steersman.store.database.tasks import NewResponse, NewTask, add_tasks
from steersman.web.answers import SIDES
from steersman.web.assets import version

pytest_plugins = ("web_fixtures",)


def ratings(site: WebSite) -> list[dict[str, object]]:
    with reading(site.engine) as connection:
        return [row for _, row in read_ratings(connection, PROJECT)]


def preferences(site: WebSite) -> list[dict[str, object]]:
    with reading(site.engine) as connection:
        return [row for _, row in read_preferences(connection, PROJECT)]


def ask(site: WebSite, form: dict[str, object]) -> None:
    settings = {"gold": {"share": 0.0}, "form": form}
    with writing(site.engine) as connection:
        change_settings(connection, PROJECT, settings, by=Act(None, NOON))


def add_first(site: WebSite, prompt: str, *, left: str = "One", right: str = "Two") -> None:
    """Add a task that everybody gets before all others."""
    responses = (NewResponse("new-0", left, "m", None), NewResponse("new-1", right, "m", None))
    with writing(site.engine) as connection:
        add_tasks(connection, PROJECT, [NewTask("new", prompt, responses, priority=9)], need=3, by=Act(None, NOON))


def test_the_page_has_every_scale_of_both_responses_with_the_meaning_of_each_level(web_site: WebSite) -> None:
    page = web_site.browser("annotator-1").get("/task").text
    for side in SIDES:
        for attribute in ATTRIBUTES:
            assert len(re.findall(rf'type="radio" name="{side}_{attribute}" value="[0-4]"', page)) == 5
    assert page.count("Fully right and complete") == 2
    assert page.index("Rate response A") < page.index("Response B") < page.index("Rate response B")


def test_the_page_asks_for_confidence_safety_and_the_better_response(web_site: WebSite) -> None:
    page = web_site.browser("annotator-1").get("/task").text
    for name, count in {"confidence": 3, "unsafe": 2, "unsafe_reason": 4}.items():
        assert [page.count(f'name="{side}_{name}"') for side in SIDES] == [count, count]
    assert re.findall(r'name="strength" value="([^"]+)"', page) == ["-3", "-2", "-1", "1", "2", "3", "neither"]


def test_the_page_asks_only_what_the_project_asks(web_site: WebSite) -> None:
    ask(web_site, {"confidence": False, "preference": "off"})
    page = web_site.browser("annotator-1").get("/task").text
    assert "_confidence" not in page
    assert 'name="strength"' not in page
    assert "justification" not in page


def test_the_page_shows_every_turn_and_does_not_say_who_wrote_a_response(web_site: WebSite) -> None:
    turns = [Message("user", "Hello"), Message("assistant", "Hi *there*"), Message("user", "Say more")]
    add_first(web_site, prompt_to_text(turns))
    page = web_site.browser("annotator-1").get("/task").text
    assert "Hi <em>there</em>" in page
    assert page.count("Person") == 2
    assert "model-" not in page
    assert "new-0" not in page


def test_what_a_response_brings_along_stays_text(web_site: WebSite) -> None:
    add_first(web_site, "</textarea><script>alert(1)</script>", left="<img src=x onerror=alert(1)>", right="")
    page = web_site.browser("annotator-1").get("/task").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "(an empty response)" in page


def test_the_page_loads_nothing_from_elsewhere(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    page = browser.get("/task").text
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', page)
    assert [each for each in addresses if not each.startswith(("/", "#"))] == []
    assert {browser.get(each).status_code for each in addresses if each.startswith("/static/")} == {200}


def test_static_files_are_kept_for_good_under_an_address_that_names_their_version(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    [script] = re.findall(r'src="([^"]+/task\.js)"', browser.get("/task").text)
    folder = script.removesuffix("task.js")
    names = re.findall(r'from "\./([a-z]+\.js)"', browser.get(script).text)
    assert len(names) == 5
    kept = {browser.get(folder + name).headers["cache-control"] for name in [*names, "task.css", "icon.svg"]}
    assert kept == {"public, max-age=31536000, immutable"}
    assert browser.get(folder.replace(version(), "0" * 12) + "task.js").status_code == 404
    assert browser.get("/static/task.js").headers["cache-control"] == "no-cache"
    assert browser.get(folder + "../answers.py").status_code == 404


def test_a_page_of_short_responses_is_small(web_site: WebSite) -> None:
    assert len(web_site.browser("annotator-1").get("/task").content) < 40_000


def test_opening_the_page_again_shows_the_same_task(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    assert opened(browser) == opened(browser)


def test_a_whole_answer_is_kept_and_the_next_task_comes(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    web_site.clock.move(minutes=1)
    form = full_form(lease, left_confidence="2", right_unsafe="1", right_unsafe_reason=["bias"], active_seconds="41.5")
    answer = browser.submit("/task/submit", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/task")
    rows = ratings(web_site)
    assert {row[attribute] for row in rows for attribute in ATTRIBUTES} == {3}
    assert [(row["position"], row["safe"], row["confidence"]) for row in rows] == [(0, True, 2), (1, False, None)]
    assert {row["seconds"] for row in rows} == {41.5}
    assert opened(browser) != lease


def test_time_at_work_is_never_longer_than_the_task_was_held(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    web_site.clock.move(seconds=30)
    browser.submit("/task/submit", full_form(lease, active_seconds="9000"))
    assert {row["seconds"] for row in ratings(web_site)} == {30.0}


def test_a_preference_is_kept_with_its_reason(web_site: WebSite) -> None:
    """`strength` of the form is B over A; the export counts for the second response, which may stand on either side."""
    rate(web_site.browser("annotator-1"), strength="2", justification="B says more.")
    rows, [preference] = ratings(web_site), preferences(web_site)
    right = next(row["response_id"] for row in rows if row["position"] == 1)
    assert preference["strength"] == (2 if str(right).endswith("-1") else -2)
    assert preference["justification"] == "B says more."


def test_every_fault_is_named_and_what_was_chosen_stays(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    form = full_form(opened(browser), justification="short", flag=["pii"])
    del form["right_coherence"], form["right_verbosity"]
    answer = browser.submit("/task/submit", form)
    assert answer.status_code == 422
    told = error_of(answer.text)
    assert "Response B: choose a level of coherence, verbosity" in told
    assert "say why in at least 10 characters, there are 5" in told
    assert len(checked(answer.text)) == 8 + 2 + 1 + 1
    assert "\nshort</textarea>" in answer.text
    assert ratings(web_site) == []


def test_a_required_preference_is_asked_for(web_site: WebSite) -> None:
    ask(web_site, {"preference": "required"})
    browser = web_site.browser("annotator-1")
    form = full_form(opened(browser))
    del form["strength"], form["justification"]
    answer = browser.submit("/task/submit", form)
    assert "choose which response is better" in error_of(answer.text)


def test_a_flag_ends_the_task_without_scores(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    assert (
        browser.submit("/task/submit", full_form(lease, action="flag", flag=["pii", "needs_code"])).status_code == 303
    )
    rows = ratings(web_site)
    assert [row["flags"] for row in rows] == [["needs_code", "pii"]] * 2
    assert {row[attribute] for row in rows for attribute in ATTRIBUTES} == {None}
    assert opened(browser) != lease


def test_flagging_without_a_reason_is_refused_and_the_choice_stays_open(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    answer = browser.submit("/task/submit", {"lease": opened(browser), "action": "flag"})
    assert answer.status_code == 422
    assert "at least one reason" in error_of(answer.text)
    assert '<details class="card leave" id="flagging" open>' in answer.text


def test_a_task_given_away_comes_to_others_and_not_back(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    form = {"lease": lease, "action": "skip", "skip_reason": "upsetting"}
    assert browser.submit("/task/submit", form).status_code == 303
    assert lease not in browser.get("/task").text
    other = web_site.browser("annotator-2").get("/task").text
    assert "Prompt of rating-0?" in other
    assert "Prompt of rating-0?" not in browser.get("/task").text


def test_giving_a_task_away_without_a_reason_is_refused(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    answer = browser.submit("/task/submit", {"lease": opened(browser), "action": "skip"})
    assert "say why someone else should do this task" in error_of(answer.text)


def test_sending_a_form_twice_keeps_it_once(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    form = full_form(opened(browser))
    assert [browser.submit("/task/submit", form).status_code for _ in range(2)] == [303, 303]
    assert len(ratings(web_site)) == 2


def test_a_second_different_answer_is_refused(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    browser.submit("/task/submit", full_form(lease))
    answer = browser.submit("/task/submit", full_form(lease, score=1))
    assert answer.status_code == 409
    assert "the first answer is kept" in answer.text


def test_an_old_address_of_a_task_that_is_answered_leads_on(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    lease = opened(browser)
    browser.submit("/task/submit", full_form(lease))
    answer = browser.get("/task", params={"lease": lease})
    assert (answer.status_code, answer.headers["location"]) == (303, "/task")


def test_a_script_gets_json_and_where_to_go_on(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    browser.headers["accept"] = "application/json"
    lease = opened(browser)
    wrong = browser.submit("/task/submit", {"lease": lease, "action": "flag"})
    assert (wrong.status_code, wrong.json()) == (422, {"error": "choose at least one reason why it cannot be rated"})
    assert browser.submit("/task/submit", full_form(lease)).json() == {"next": "/task"}
    assert browser.submit("/task/submit", full_form(lease, score=0)).status_code == 409


def test_a_form_without_its_anti_forgery_text_is_refused(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    form = full_form(opened(browser))
    for csrf in ({}, {"csrf": ""}, {"csrf": web_site.browser("annotator-2").csrf}):
        assert browser.post("/task/submit", data={**form, **csrf}).status_code == 403
    assert ratings(web_site) == []


def test_nobody_can_answer_for_somebody_else(web_site: WebSite) -> None:
    lease = opened(web_site.browser("annotator-1"))
    other = web_site.browser("annotator-2")
    assert other.submit("/task/submit", full_form(lease)).status_code == 404
    assert other.get("/task", params={"lease": lease}).status_code == 404
    assert ratings(web_site) == []


def test_gold_tasks_look_like_all_others(web_site: WebSite) -> None:
    web_site.more_work()
    with writing(web_site.engine) as connection:
        change_settings(connection, PROJECT, {"gold": {"share": 0.5}}, by=Act(None, NOON))
    browser = web_site.browser("annotator-1")
    pages = [browser.get("/task").text]
    while "Prompt of gold" not in pages[-1]:
        browser.submit("/task/submit", full_form(lease_of(pages[-1])))
        pages.append(browser.get("/task").text)
    gold = pages[-1].replace("Prompt of gold-0?", "").replace(" of gold-0.", "")
    assert "gold" not in gold
    assert "Give this task to someone else" in gold


def test_somebody_who_takes_part_in_nothing_is_told_so(web_site: WebSite) -> None:
    web_site.new_user("lonely")
    answer = web_site.browser("lonely").get("/task")
    assert answer.status_code == 404
    assert "do not take part in any project" in answer.text


@pytest.mark.parametrize("path", ["/task", "/guideline", "/me", "/task/feedback?lease=x"])
def test_without_a_session_every_page_leads_to_the_login(web_site: WebSite, path: str) -> None:
    answer = web_site.stranger().get(path)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login")
