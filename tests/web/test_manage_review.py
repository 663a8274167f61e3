import re
from html import unescape

import pytest
from counted_pages import counted_page
from web_site import PROJECT, WebSite, new_task

from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.connection import reading, writing
from steersman.store.database.reviewed import ReviewedTask, read_reviewed_task
from steersman.store.database.tasks import NewTask, add_tasks

pytest_plugins = ("web_fixtures",)
TASK = "/manage/review/rating-0"


def answer(site: WebSite, user_id: str, *, helpfulness: int = 3, flags: tuple[str, ...] = ()) -> None:
    """Let an annotator answer the first task: the same helpfulness for both responses, three for all else."""
    task = site.service.claim(PROJECT, user_id)
    assert task is not None
    assert task.task_id == "rating-0"
    said = ResponseScores((None,) * 5 if flags else (helpfulness, 3, 3, 3, 3))
    comparison = None if flags else Comparison(2, "It says why it is so.")
    site.service.submit(user_id, answer=Answer(task.lease, (said, said), flags, comparison))


def reviewed(site: WebSite) -> ReviewedTask:
    with reading(site.engine) as connection:
        return read_reviewed_task(connection, PROJECT, "rating-0")


def test_the_queue_shows_the_task_that_annotators_differ_on(web_site: WebSite) -> None:
    for number, helpfulness in enumerate((0, 4, 2), start=1):
        answer(web_site, f"annotator-{number}", helpfulness=helpfulness)
    # two more are needed, and nobody is left: a reviewer ends the task
    browser = web_site.browser("reviewer-1")
    browser.submit(TASK, {"action": "end"})
    page = counted_page(browser, "/manage/review")
    row = next(row for row in page.split("<tr>") if "rating-0</a>" in row)
    assert '<td class="number">4</td>' in row
    assert "0 4 2" in row


def test_the_next_task_of_the_queue_is_one_step_away(web_site: WebSite) -> None:
    browser = web_site.browser("reviewer-1")
    for number in range(3):
        for user in ("annotator-1", "annotator-2"):
            task = web_site.service.claim(PROJECT, user)
            assert task is not None
            assert task.task_id == f"rating-{number}"
            flagged = ResponseScores((None,) * 5)
            web_site.service.submit(user, answer=Answer(task.lease, (flagged, flagged), ("pii",)))
    counted_page(browser, "/manage/review")
    steps = {f"rating-{number}": f"rating-{(number + 1) % 3}" for number in range(3)}
    for task_id, following in steps.items():
        assert f"Next task: {following}</a>" in browser.get(f"/manage/review/{task_id}").text


def test_flagged_answers_are_in_the_queue_with_their_annotator(web_site: WebSite) -> None:
    answer(web_site, "annotator-2", flags=("pii",))
    page = counted_page(web_site.browser("reviewer-1"), "/manage/review")
    flagged = page[page.index('id="flagged"') : page.index('id="doubted"')]
    assert "annotator-2" in flagged
    assert "pii" in flagged


def test_answers_stand_side_by_side_and_a_far_score_stands_out(web_site: WebSite) -> None:
    for number, helpfulness in enumerate((4, 4, 1), start=1):
        answer(web_site, f"annotator-{number}", helpfulness=helpfulness)
    page = web_site.browser("reviewer-1").get(TASK).text
    assert all(f"annotator-{number}" in page for number in (1, 2, 3))
    # once for each of the two responses
    assert page.count('<span class="apart">1 apart</span>') == 2
    assert "It says why it is so." in page


def test_who_wrote_a_response_is_not_told(web_site: WebSite) -> None:
    assert "model-0" not in web_site.browser("reviewer-1").get(TASK).text


def test_a_reviewer_rejects_an_answer_with_a_note(web_site: WebSite) -> None:
    answer(web_site, "annotator-1")
    browser = web_site.browser("reviewer-1")
    (given,) = reviewed(web_site).answers
    sent = browser.submit(TASK, {"action": "reject", "answer": str(given.answer_id), "note": "all threes"})
    assert sent.status_code == 303
    task = reviewed(web_site)
    assert (task.num_done, task.answers[0].withdrawn, task.reviews[0].note) == (0, "rejected", "all threes")
    assert "rejected" in browser.get(sent.headers["location"]).text


def test_an_answer_that_is_gone_is_told_so(web_site: WebSite) -> None:
    answer(web_site, "annotator-1")
    browser = web_site.browser("reviewer-1")
    fields = {"action": "reject", "answer": str(reviewed(web_site).answers[0].answer_id)}
    browser.submit(TASK, fields)
    again = browser.submit(TASK, fields)
    assert again.status_code == 409
    assert "taken back already" in again.text
    assert len(reviewed(web_site).reviews) == 1


def final(*, helpfulness: str) -> dict[str, str]:
    scores = {f"final_{slot}_{name}": str(slot + 2) for slot in (0, 1) for name in ATTRIBUTES}
    return {"action": "adjudicate", "note": "by the sources", **scores, "final_0_helpfulness": helpfulness}


def test_final_scores_are_kept_and_shown(web_site: WebSite) -> None:
    browser = web_site.browser("reviewer-1")
    sent = browser.submit(TASK, final(helpfulness="4"))
    (review,) = reviewed(web_site).reviews
    assert review.scores == ((4, 2, 2, 2, 2), (3, 3, 3, 3, 3))
    assert (review.reviewer, review.note) == ("reviewer-1", "by the sources")
    assert "helpfulness 4" in browser.get(sent.headers["location"]).text


@pytest.mark.parametrize("wrong", ["", "5", "-1", "two"])
def test_a_missing_final_score_is_named_and_the_others_stay(web_site: WebSite, wrong: str) -> None:
    page = web_site.browser("reviewer-1").submit(TASK, final(helpfulness=wrong))
    assert page.status_code == 422
    assert "response 1: choose a level of helpfulness" in page.text
    assert "by the sources" in page.text
    chosen = re.findall(r'<option value="(\d)" selected>', page.text)
    # all but the missing one: four of the first response, five of the second
    assert chosen == ["2"] * 4 + ["3"] * 5
    assert reviewed(web_site).reviews == ()


def test_a_task_is_ended_and_opened_again(web_site: WebSite) -> None:
    browser = web_site.browser("reviewer-1")
    browser.submit(TASK, {"action": "end", "note": "off topic"})
    assert reviewed(web_site).state == "ended"
    browser.submit(TASK, {"action": "reopen"})
    assert reviewed(web_site).state == "open"


def test_a_task_with_an_odd_id_is_reviewed_like_any_other(web_site: WebSite) -> None:
    odd = "50% of a/b?c#d &+\u00e9"
    like = new_task(100)
    with writing(web_site.engine) as connection:
        add_tasks(connection, PROJECT, [NewTask(odd, like.prompt, like.responses)], need=3, by=web_site.by)
    browser = web_site.browser("reviewer-1")
    page = browser.get("/manage/review", params={"task": odd}).text
    action = re.search(r'<form method="post" action="(/manage/review/[^"]+)"', page)
    assert action is not None
    sent = browser.submit(unescape(action[1]), {"action": "end"})
    assert sent.status_code == 303
    assert "The task has ended." in browser.get(sent.headers["location"]).text


def test_an_unknown_action_changes_nothing(web_site: WebSite) -> None:
    assert web_site.browser("reviewer-1").submit(TASK, {"action": "delete"}).status_code == 422


def test_an_unknown_task_is_not_found(web_site: WebSite) -> None:
    assert web_site.browser("reviewer-1").get("/manage/review/nothing").status_code == 404


def test_a_task_opens_by_its_id(web_site: WebSite) -> None:
    assert "Task rating-3" in web_site.browser("reviewer-1").get("/manage/review?task=rating-3").text


@pytest.mark.parametrize("path", ["/manage/review", TASK])
def test_annotators_review_nothing(web_site: WebSite, path: str) -> None:
    assert web_site.browser("annotator-1").get(path).status_code == 403
    assert web_site.browser("annotator-1").submit(TASK, {"action": "end"}).status_code == 403
