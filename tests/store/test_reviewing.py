"""What reviewers decide is kept beside what was said, and frees places for others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from web_site import NOON, PROJECT, WebSite, open_web_site

from steersman.errors import DataError
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import Act, read_events
from steersman.store.database.connection import reading, writing
from steersman.store.database.exporting import read_ratings
from steersman.store.database.faults import AlreadyAnsweredError, UnknownError
from steersman.store.database.people import change_stage, read_member
from steersman.store.database.review_queue import doubted_answers, flagged_answers
from steersman.store.database.reviewed import ReviewedTask, read_adjudications, read_reviewed_task
from steersman.store.database.reviewing import accept_answer, adjudicate, end_task, reject_answer, reopen_task

pytest_plugins = ("database_fixtures",)
BY = Act("reviewer-1", NOON)
FIRST = "rating-0"
SCORES = ((4, 4, 4, 2, 2), (1, 0, 3, 1, 1))


@pytest.fixture
def web_site(kind: str, tmp_path: Path, new_place: Callable[[str], str]) -> Iterator[WebSite]:
    """Give a site on each kind of database."""
    with open_web_site(tmp_path, place=new_place(kind)) as site:
        yield site


def answered(site: WebSite, user_id: str, *, flags: tuple[str, ...] = ()) -> str:
    """Let an annotator answer the task they get, with three everywhere or flags; return its id."""
    task = site.service.claim(PROJECT, user_id)
    assert task is not None
    said = ResponseScores((None if flags else 3,) * 5)
    site.service.submit(user_id, answer=Answer(task.lease, (said, said), flags))
    return task.task_id


def reviewed(site: WebSite, task_id: str = FIRST) -> ReviewedTask:
    with reading(site.engine) as connection:
        return read_reviewed_task(connection, PROJECT, task_id)


def test_a_task_shows_every_answer_with_its_annotator(web_site: WebSite) -> None:
    for user in ("annotator-1", "annotator-2"):
        assert answered(web_site, user) == FIRST
    task = reviewed(web_site)
    assert [each.annotator for each in task.answers] == ["annotator-1", "annotator-2"]
    assert task.answers[0].responses[1].scores == (3, 3, 3, 3, 3)
    assert (task.num_done, task.need, task.known) == (2, 3, ())


def test_a_rejected_answer_leaves_the_export_and_frees_its_place_for_another(web_site: WebSite) -> None:
    for user in ("annotator-1", "annotator-2", "annotator-3"):
        answered(web_site, user)
    (first, *_) = reviewed(web_site).answers
    with writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, first.answer_id, note="guessed", by=BY)
    task = reviewed(web_site)
    assert (task.num_done, task.answers[0].withdrawn, task.reviews[0].note) == (2, "rejected", "guessed")
    with reading(web_site.engine) as connection:
        rows = [row for _, row in read_ratings(connection, PROJECT)]
    assert "annotator-1" not in {row["annotator"] for row in rows if row["task_id"] == FIRST}


def test_who_gave_a_rejected_answer_does_not_get_the_task_again(web_site: WebSite) -> None:
    answered(web_site, "annotator-1")
    with writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, reviewed(web_site).answers[0].answer_id, note=None, by=BY)
    assert answered(web_site, "annotator-1") != FIRST
    assert answered(web_site, "annotator-2") == FIRST


def test_an_answer_is_rejected_once(web_site: WebSite) -> None:
    answered(web_site, "annotator-1")
    (answer,) = reviewed(web_site).answers
    with writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)
    with pytest.raises(AlreadyAnsweredError), writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)
    assert reviewed(web_site).num_done == 0


def test_an_undone_answer_is_neither_accepted_nor_rejected(web_site: WebSite) -> None:
    answered(web_site, "annotator-1")
    (answer,) = reviewed(web_site).answers
    web_site.service.undo(PROJECT, "annotator-1")
    with pytest.raises(AlreadyAnsweredError), writing(web_site.engine) as connection:
        accept_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)
    with pytest.raises(AlreadyAnsweredError), writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)


def test_answers_of_training_stay(web_site: WebSite) -> None:
    task_id = answered(web_site, "trainee-1")
    (answer,) = reviewed(web_site, task_id).answers
    with pytest.raises(DataError, match="training"), writing(web_site.engine) as connection:
        reject_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)


def test_an_answer_of_another_project_is_not_found(web_site: WebSite) -> None:
    answered(web_site, "annotator-1")
    (answer,) = reviewed(web_site).answers
    with pytest.raises(UnknownError), writing(web_site.engine) as connection:
        accept_answer(connection, "winter", answer.answer_id, note=None, by=BY)


def test_final_scores_are_all_kept_and_come_in_order(web_site: WebSite) -> None:
    later = (SCORES[1], SCORES[0])
    for scores in (SCORES, later):
        with writing(web_site.engine) as connection:
            adjudicate(connection, PROJECT, FIRST, scores=scores, note=None, by=BY)
    assert [each.scores for each in reviewed(web_site).reviews] == [SCORES, later]
    with reading(web_site.engine) as connection:
        rows = list(read_adjudications(connection, PROJECT))
    assert [(row["response_id"], row["helpfulness"]) for row in rows] == [
        (f"{FIRST}-0", 4),
        (f"{FIRST}-1", 1),
        (f"{FIRST}-0", 1),
        (f"{FIRST}-1", 4),
    ]


@pytest.mark.parametrize("scores", [SCORES[:1], (SCORES[0], SCORES[1][:4]), (SCORES[0], (5, 0, 0, 0, 0))])
def test_final_scores_must_be_two_rows_on_the_scale(web_site: WebSite, scores: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(DataError), writing(web_site.engine) as connection:
        adjudicate(connection, PROJECT, FIRST, scores=scores, note=None, by=BY)
    assert reviewed(web_site).reviews == ()


def test_decisions_are_never_changed_or_dropped(web_site: WebSite) -> None:
    with writing(web_site.engine) as connection:
        adjudicate(connection, PROJECT, FIRST, scores=SCORES, note=None, by=BY)
    for statement in ("UPDATE reviews SET note = 'x'", "DELETE FROM adjudications"):
        with pytest.raises(DBAPIError, match="append-only"), writing(web_site.engine) as connection:
            connection.execute(text(statement))


def test_an_ended_task_goes_to_nobody_until_it_is_open_again(web_site: WebSite) -> None:
    with writing(web_site.engine) as connection:
        end_task(connection, PROJECT, FIRST, note="off topic", by=BY)
    assert answered(web_site, "annotator-1") == "rating-1"
    with writing(web_site.engine) as connection:
        reopen_task(connection, PROJECT, FIRST, note=None, by=BY)
    assert answered(web_site, "annotator-2") == FIRST
    assert [each.verdict for each in reviewed(web_site).reviews] == ["ended", "reopened"]


def test_ending_an_ended_task_again_adds_nothing(web_site: WebSite) -> None:
    for _ in range(2):
        with writing(web_site.engine) as connection:
            end_task(connection, PROJECT, FIRST, note=None, by=BY)
    assert len(reviewed(web_site).reviews) == 1


def test_every_decision_is_in_the_audit_log(web_site: WebSite) -> None:
    answered(web_site, "annotator-1")
    (answer,) = reviewed(web_site).answers
    with writing(web_site.engine) as connection:
        accept_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)
        reject_answer(connection, PROJECT, answer.answer_id, note=None, by=BY)
        adjudicate(connection, PROJECT, FIRST, scores=SCORES, note=None, by=BY)
        end_task(connection, PROJECT, FIRST, note=None, by=BY)
        reopen_task(connection, PROJECT, FIRST, note=None, by=BY)
    with reading(web_site.engine) as connection:
        done = [each.action for each in read_events(connection) if each.actor == "reviewer-1"]
    assert done == ["answer.accepted", "answer.rejected", "task.adjudicated", "task.ended", "task.reopened"]


def test_a_flagged_answer_waits_until_it_is_accepted(web_site: WebSite) -> None:
    answered(web_site, "annotator-1", flags=("pii",))
    with reading(web_site.engine) as connection:
        (waiting,) = flagged_answers(connection, PROJECT, limit=9)
    assert (waiting.task_id, waiting.annotator, waiting.flags) == (FIRST, "annotator-1", ("pii",))
    with writing(web_site.engine) as connection:
        accept_answer(connection, PROJECT, waiting.answer_id, note=None, by=BY)
    with reading(web_site.engine) as connection:
        assert flagged_answers(connection, PROJECT, limit=9) == []


def test_answers_of_a_paused_annotator_wait_the_newest_first(web_site: WebSite) -> None:
    first, second = answered(web_site, "annotator-1"), answered(web_site, "annotator-1")
    answered(web_site, "annotator-2")
    with writing(web_site.engine) as connection:
        member = read_member(connection, PROJECT, "annotator-1")
        change_stage(connection, member, stage="paused", reason="a talk", by=BY)
    with reading(web_site.engine) as connection:
        found = doubted_answers(connection, PROJECT, limit=9)
    assert [(each.task_id, each.reason) for each in found] == [(second, "paused"), (first, "paused")]


def test_a_settled_task_takes_its_answers_out_of_the_queue(web_site: WebSite) -> None:
    answered(web_site, "annotator-1", flags=("pii",))
    with writing(web_site.engine) as connection:
        adjudicate(connection, PROJECT, FIRST, scores=SCORES, note=None, by=BY)
    with reading(web_site.engine) as connection:
        assert flagged_answers(connection, PROJECT, limit=9) == []
