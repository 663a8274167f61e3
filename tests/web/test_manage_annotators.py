import pytest
from counted_pages import counted_page
from web_site import PROJECT, WebSite

from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import read_events
from steersman.store.database.connection import reading
from steersman.store.database.people import Member, read_member
from steersman.web.manage.annotators import ACTIONS

pytest_plugins = ("web_fixtures",)


def member(site: WebSite, user_id: str = "annotator-1") -> Member:
    with reading(site.engine) as connection:
        return read_member(connection, PROJECT, user_id)


def test_the_list_has_every_member_with_stage_and_answers(web_site: WebSite) -> None:
    task = web_site.service.claim(PROJECT, "annotator-2")
    assert task is not None
    said = ResponseScores((3, 3, 3, 3, 3))
    web_site.service.submit("annotator-2", answer=Answer(task.lease, (said, said)))
    page = counted_page(web_site.browser("reviewer-1"), "/manage/annotators")
    rows = {
        user: next(row for row in page.split("<tr>") if f">{user}</a>" in row) for user in ("annotator-2", "trainee-1")
    }
    assert '<td class="number">1</td>' in rows["annotator-2"]
    assert "training" in rows["trainee-1"]


def test_a_paused_annotator_gets_no_task_and_reads_why(web_site: WebSite) -> None:
    fields = {"action": "pause", "note": "Let us talk first."}
    assert web_site.browser("manager-1").submit("/manage/annotators/annotator-1", fields).status_code == 303
    assert (member(web_site).stage, member(web_site).reason) == ("paused", "Let us talk first.")
    assert web_site.service.claim(PROJECT, "annotator-1") is None


@pytest.mark.parametrize(
    ("user", "actions", "stage"),
    [
        ("annotator-1", ["pause", "resume"], "working"),
        ("annotator-1", ["remove"], "left"),
        ("annotator-1", ["remove", "return"], "working"),
        ("trainee-1", ["pass"], "working"),
        ("trainee-1", ["fail"], "failed"),
        ("trainee-1", ["fail", "pass"], "working"),
    ],
)
def test_a_manager_moves_annotators(web_site: WebSite, user: str, actions: list[str], stage: str) -> None:
    for action in actions:
        web_site.browser("manager-1").submit(f"/manage/annotators/{user}", {"action": action, "note": "so"})
    assert member(web_site, user).stage == stage
    with reading(web_site.engine) as connection:
        changes = [each for each in read_events(connection) if each.action == "member.stage_changed"]
    assert [(each.actor, each.subject) for each in changes] == [("manager-1", user)] * len(actions)


@pytest.mark.parametrize("action", [name for name, each in ACTIONS.items() if each.needs_reason and name != "fail"])
def test_what_takes_work_away_needs_a_reason(web_site: WebSite, action: str) -> None:
    answer = web_site.browser("manager-1").submit("/manage/annotators/annotator-1", {"action": action, "note": " "})
    assert answer.status_code == 422
    assert "say why" in answer.text
    assert member(web_site).stage == "working"


def test_an_action_for_another_stage_is_refused_and_the_reason_stays(web_site: WebSite) -> None:
    fields = {"action": "resume", "note": "Welcome back"}
    answer = web_site.browser("manager-1").submit("/manage/annotators/annotator-1", fields)
    assert answer.status_code == 422
    assert "annotator-1 is working by now" in answer.text
    assert "Welcome back" in answer.text


def test_the_page_of_an_annotator_has_a_bias_of_each_attribute(web_site: WebSite) -> None:
    page = counted_page(web_site.browser("manager-1"), "/manage/annotators/annotator-1")
    table = page[page.index('aria-labelledby="bias"') :]
    assert [name in table for name in ("Helpfulness", "Correctness", "Coherence", "Complexity", "Verbosity")] == [
        True
    ] * 5


def test_a_reviewer_sees_annotators_and_moves_nobody(web_site: WebSite) -> None:
    browser = web_site.browser("reviewer-1")
    assert 'name="action"' not in browser.get("/manage/annotators/annotator-1").text
    sent = browser.submit("/manage/annotators/annotator-1", {"action": "pause", "note": "no"})
    assert sent.status_code == 403
    assert member(web_site).stage == "working"


def test_who_does_not_take_part_is_not_found(web_site: WebSite) -> None:
    assert web_site.browser("manager-1").get("/manage/annotators/owner-1").status_code == 404
