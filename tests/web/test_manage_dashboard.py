from datetime import date

import pytest
from counted_pages import counted_page
from web_site import GUIDELINE, PROJECT, TITLE, WebSite, new_task

from steersman.config.annotating import ProjectSettings
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import read_events
from steersman.store.database.connection import reading, writing
from steersman.store.database.deliveries import read_priorities, set_priority
from steersman.store.database.projects import add_project
from steersman.store.database.tasks import NewTask, add_tasks
from steersman.web.manage.charts import bias_bar, day_bars, share_bar
from steersman.web.service import project_settings

pytest_plugins = ("web_fixtures",)


def add_second_project(site: WebSite) -> None:
    stored = ProjectSettings.model_validate({}).model_dump(mode="json")
    with writing(site.engine) as connection:
        add_project(connection, "winter", title="Winter ratings", settings=stored, guideline=GUIDELINE, by=site.by)


def add_delivery(site: WebSite, name: str) -> None:
    first = new_task(100)
    task = NewTask("late", first.prompt, first.responses, delivery=name)
    with writing(site.engine) as connection:
        add_tasks(connection, PROJECT, [task], need=3, by=site.by)


def next_task(site: WebSite, user_id: str = "annotator-1") -> str:
    task = site.service.claim(PROJECT, user_id)
    assert task is not None
    return task.task_id


def test_the_dashboard_counts_what_was_answered(web_site: WebSite) -> None:
    for user in ("annotator-1", "annotator-2", "annotator-3"):
        task = web_site.service.claim(PROJECT, user)
        assert task is not None
        said = ResponseScores((3, 3, 3, 3, 3))
        web_site.service.submit(user, answer=Answer(task.lease, (said, said)))
    page = counted_page(web_site.browser("manager-1"), "/manage")
    assert "1 of 8" in page
    assert "6 rated responses" in page


def test_each_attribute_has_its_row_of_agreement(web_site: WebSite) -> None:
    page = counted_page(web_site.browser("reviewer-1"), "/manage")
    table = page[page.index('id="live-agreement"') : page.index("What these figures say")]
    rows = [row.count("<td>") for row in table.split("<tr>")[2:]]
    assert rows == [4] * 5


def test_the_only_project_needs_no_choice(web_site: WebSite) -> None:
    assert TITLE in counted_page(web_site.browser("manager-1"), "/manage")


def test_among_several_projects_one_is_chosen(web_site: WebSite) -> None:
    add_second_project(web_site)
    browser = web_site.browser("manager-1")
    assert 'href="/manage?project=winter"' in browser.get("/manage").text
    assert "Winter ratings" in browser.get("/manage?project=winter").text
    unclear = browser.get("/manage/annotators")
    assert unclear.status_code == 422
    assert "hoose a project first" in unclear.text


def test_an_unknown_project_is_not_found(web_site: WebSite) -> None:
    assert web_site.browser("manager-1").get("/manage?project=autumn").status_code == 404


def test_a_paused_delivery_gets_no_new_annotators_until_it_is_resumed(web_site: WebSite) -> None:
    add_delivery(web_site, "december")
    with writing(web_site.engine) as connection:
        set_priority(connection, PROJECT, "december", priority=5, by=web_site.by)
    browser = web_site.browser("manager-1")
    browser.submit("/manage/deliveries", {"action": "pause", "delivery": "december"})
    assert next_task(web_site) == "rating-0"
    browser.submit("/manage/deliveries", {"action": "resume", "delivery": "december"})
    assert next_task(web_site, "annotator-2") == "late"


def test_pausing_leaves_all_other_settings_as_they_are(web_site: WebSite) -> None:
    add_delivery(web_site, "december")
    with reading(web_site.engine) as connection:
        before = project_settings(connection, PROJECT)
    web_site.browser("manager-1").submit("/manage/deliveries", {"action": "pause", "delivery": "december"})
    with reading(web_site.engine) as connection:
        after = project_settings(connection, PROJECT)
    assert after == before.model_copy(update={"paused_deliveries": ("december",)})


def test_tasks_of_a_higher_priority_go_first_and_the_change_is_audited(web_site: WebSite) -> None:
    add_delivery(web_site, "december")
    fields = {"action": "priority", "delivery": "december", "priority": "7"}
    web_site.browser("manager-1").submit("/manage/deliveries", fields)
    assert next_task(web_site) == "late"
    with reading(web_site.engine) as connection:
        found = [each for each in read_events(connection) if each.action == "delivery.priority_changed"]
        assert [(each.actor, each.detail["tasks"]) for each in found] == [("manager-1", 1)]
        assert [(each.name, each.highest) for each in read_priorities(connection, PROJECT)] == [
            (None, 0),
            ("december", 7),
        ]


def test_a_reviewer_looks_and_changes_no_delivery(web_site: WebSite) -> None:
    browser = web_site.browser("reviewer-1")
    assert browser.get("/manage").status_code == 200
    assert browser.submit("/manage/deliveries", {"action": "pause", "delivery": "x"}).status_code == 403


@pytest.mark.parametrize("path", ["/manage", "/manage/annotators", "/manage/deliveries"])
def test_annotators_see_nothing_of_the_project(web_site: WebSite, path: str) -> None:
    assert web_site.browser("annotator-1").get(path).status_code == 403


def test_no_page_has_script_or_style_in_it(web_site: WebSite) -> None:
    add_delivery(web_site, "december")
    for path in ("/manage", "/manage/annotators", "/manage/deliveries", "/manage/people", "/manage/settings"):
        page = web_site.browser("owner-1").get(path).text
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick" not in page


def test_the_highest_bar_fills_the_chart_and_others_are_in_proportion() -> None:
    chart = day_bars([(date(2026, 1, 1), 10), (date(2026, 1, 2), 5), (date(2026, 1, 3), 0)])
    highest, half, none = (each.height for each in chart.bars)
    assert half == pytest.approx(highest / 2)
    assert none == 0
    assert chart.words == "15 answers in 3 days, at most 10 in one day"


def test_a_chart_of_no_answers_is_flat() -> None:
    assert [each.height for each in day_bars([(date(2026, 1, 1), 0)]).bars] == [0]
    assert share_bar(0, 0) == 0


def test_a_bias_is_drawn_from_minus_two_to_two_levels() -> None:
    # 25 units a level, the middle at 50; what lies outside stands at the end
    assert bias_bar(1.0, low=0.5, high=3.0) == (75.0, 62.5, 100.0)
    assert bias_bar(-2.0, low=None, high=None) == (0.0, 0.0, 0.0)
