import json
from pathlib import Path

import pytest
from web_site import PROJECT, Browser, WebSite

from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.reviewed import read_reviewed_task
from steersman.store.database.reviewing import adjudicate, reject_answer
from steersman.store.files import read_table
from steersman.tables import PREFERENCE_RATINGS, RATINGS

pytest_plugins = ("web_fixtures",)
NAMES = ("ratings", "preferences", "disagreements", "adjudications")


def answer(site: WebSite, user_id: str, *, helpfulness: int, flags: tuple[str, ...] = ()) -> None:
    task = site.service.claim(PROJECT, user_id)
    assert task is not None
    said = ResponseScores((None,) * 5 if flags else (helpfulness, 3, 3, 3, 3))
    comparison = None if flags else Comparison(-1, "The left one is shorter.")
    site.service.submit(user_id, answer=Answer(task.lease, (said, said), flags, comparison))


def rows(browser: Browser, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in browser.get(f"/manage/export/{name}.jsonl").text.splitlines()]


def test_ratings_and_preferences_are_the_tables_that_cleaning_reads(web_site: WebSite, tmp_path: Path) -> None:
    answer(web_site, "annotator-1", helpfulness=4)
    for name, table, height in (("ratings", RATINGS, 2), ("preferences", PREFERENCE_RATINGS, 1)):
        sent = web_site.browser("manager-1").get(f"/manage/export/{name}.jsonl")
        assert sent.headers["content-disposition"] == f'attachment; filename="{PROJECT}-{name}.jsonl"'
        (tmp_path / f"{name}.jsonl").write_bytes(sent.content)
        frame = read_table(tmp_path / f"{name}.jsonl", table=table)
        assert frame["annotator"].to_list() == ["annotator-1"] * height


def test_disagreements_hold_what_counts_in_order_of_submission(web_site: WebSite) -> None:
    answer(web_site, "annotator-1", helpfulness=4)
    answer(web_site, "annotator-2", helpfulness=1, flags=("pii",))
    answer(web_site, "annotator-3", helpfulness=2)
    first, second = rows(web_site.browser("manager-1"), "disagreements")
    assert first["prompt"] == second["prompt"] == "Prompt of rating-0?"
    assert [first["response"], second["response"]] == ["Response 0 of rating-0.", "Response 1 of rating-0."]
    assert (first["helpfulness"], first["verbosity"]) == ([4, 2], [3, 3])


def test_rejected_answers_are_in_no_disagreements(web_site: WebSite) -> None:
    answer(web_site, "annotator-1", helpfulness=4)
    with writing(web_site.engine) as connection:
        (given,) = read_reviewed_task(connection, PROJECT, "rating-0").answers
        reject_answer(connection, PROJECT, given.answer_id, note=None, by=Act("reviewer-1", web_site.clock()))
    assert rows(web_site.browser("manager-1"), "disagreements") == []


def test_final_scores_are_exported_with_their_reviewer(web_site: WebSite) -> None:
    scores = ((4, 4, 4, 4, 4), (0, 0, 0, 0, 0))
    with writing(web_site.engine) as connection:
        by = Act("reviewer-1", web_site.clock())
        adjudicate(connection, PROJECT, "rating-0", scores=scores, note="checked", by=by)
    found = rows(web_site.browser("reviewer-1"), "adjudications")
    assert [(row["response_id"], row["reviewer"], row["note"]) for row in found] == [
        ("rating-0-0", "reviewer-1", "checked"),
        ("rating-0-1", "reviewer-1", "checked"),
    ]
    assert [[row[name] for name in ATTRIBUTES] for row in found] == [[4] * 5, [0] * 5]


def test_more_rows_than_a_block_all_arrive(web_site: WebSite) -> None:
    # every submit and claim is an event, and logging in is one more
    browser = web_site.browser("manager-1")
    for _ in range(600):
        web_site.session("annotator-1")
    events = rows(browser, "audit")
    assert [event["event_id"] for event in events] == list(range(1, len(events) + 1))
    assert len(events) > 600


def test_the_audit_log_holds_no_secret(web_site: WebSite) -> None:
    secrets = [web_site.session("annotator-1"), web_site.token("read"), web_site.invitation()]
    text = web_site.browser("owner-1").get("/manage/export/audit.jsonl").text
    assert not [secret for secret in secrets if secret in text]


def test_the_audit_page_shows_one_person_or_one_task(web_site: WebSite) -> None:
    answer(web_site, "annotator-1", helpfulness=4)
    answer(web_site, "annotator-2", helpfulness=4)
    browser = web_site.browser("manager-1")
    of_one = browser.get("/manage/audit?user=annotator-1").text
    assert '<td class="name">annotator-1</td>' in of_one
    assert '<td class="name">annotator-2</td>' not in of_one
    assert "task rating-0" in of_one
    of_task = browser.get("/manage/audit?task=rating-0").text
    assert of_task.count("answer.submitted") == 2
    assert "answer.submitted" not in browser.get("/manage/audit?task=rating-1").text


def test_older_events_follow_behind_the_newest(web_site: WebSite) -> None:
    for _ in range(150):
        web_site.session("annotator-1")
    browser = web_site.browser("manager-1")
    first = browser.get("/manage/audit?user=annotator-1").text
    assert first.count("session.started") == 100
    before = first.rpartition("before=")[2].split('"')[0]
    assert browser.get(f"/manage/audit?user=annotator-1&before={before}").text.count("session.started") == 50


@pytest.mark.parametrize("path", ["/manage/export", *(f"/manage/export/{name}.jsonl" for name in NAMES)])
def test_annotators_download_nothing(web_site: WebSite, path: str) -> None:
    assert web_site.browser("annotator-1").get(path).status_code == 403


@pytest.mark.parametrize("path", ["/manage/audit", "/manage/export/audit.jsonl"])
def test_reviewers_do_not_see_the_audit_log(web_site: WebSite, path: str) -> None:
    assert web_site.browser("reviewer-1").get(path).status_code == 403


def test_an_unknown_file_is_not_found(web_site: WebSite) -> None:
    assert web_site.browser("manager-1").get("/manage/export/secrets.jsonl").status_code == 404


def test_rows_are_those_of_the_project(web_site: WebSite) -> None:
    answer(web_site, "annotator-1", helpfulness=4)
    browser = web_site.browser("manager-1")
    browser.submit("/manage/settings/new", {"id": "winter", "title": "Winter"})
    for name in NAMES:
        assert browser.get(f"/manage/export/{name}.jsonl?project=winter").text == ""
    with reading(web_site.engine) as connection:
        assert read_reviewed_task(connection, PROJECT, "rating-0").num_done == 1
