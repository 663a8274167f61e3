"""The API of annotators: take a task, answer it, hold it, give it back."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from fastapi.testclient import TestClient
from web_site import PROJECT, WebSite, open_web_site

from steersman.records import ATTRIBUTES
from steersman.store.database.connection import reading
from steersman.store.database.exporting import read_ratings

pytest_plugins = ("web_fixtures",)

SCORES = dict.fromkeys(ATTRIBUTES, 2)
ANNOTATORS = ("annotator-1", "annotator-2", "annotator-3")
Fields = dict[str, object]


def annotator(site: WebSite, name: str = "annotator-1") -> TestClient:
    return site.program("annotate", user_id=name)


def claimed(client: TestClient) -> Fields:
    answer = client.post("/api/v1/claim")
    assert answer.status_code == 200
    return cast("Fields", answer.json()["task"])


def said(task: Fields, **changes: object) -> Fields:
    return {"lease": task["lease"], "responses": [SCORES, SCORES], **changes}


def ratings(site: WebSite) -> list[Fields]:
    with reading(site.engine) as connection:
        return [row for _, row in read_ratings(connection, PROJECT)]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}])
def test_without_a_known_token_nothing_is_given(web_site: WebSite, headers: dict[str, str]) -> None:
    stranger = web_site.stranger()
    asked = [stranger.post(f"/api/v1/{verb}", headers=headers) for verb in ("claim", "submit", "heartbeat", "undo")]
    asked.append(stranger.get("/api/v1/status", headers=headers))
    assert [answer.status_code for answer in asked] == [401] * 5
    assert "token" in asked[0].json()["error"]


def test_a_task_shows_texts_and_no_names_of_responses_or_generators(web_site: WebSite) -> None:
    task = claimed(annotator(web_site))
    assert sorted(cast("list[str]", task["responses"])) == ["Response 0 of rating-0.", "Response 1 of rating-0."]
    assert task["messages"] == [{"role": "user", "content": "Prompt of rating-0?"}]
    assert "model-0" not in str(task)
    assert "rating-0-0" not in str(task)


def test_a_gold_task_looks_like_any_other(tmp_path: Path) -> None:
    """With a share of a half, one of twenty tasks is gold but for a chance of 2 ** -20."""
    with open_web_site(tmp_path, settings={"gold": {"share": 0.5}}) as site:
        site.more_work()
        client = annotator(site)
        kinds = set()
        for _ in range(20):
            task = claimed(client)
            kinds.add((task["kind"], str(task["task_id"]).startswith("gold")))
            client.post("/api/v1/submit", json=said(task))
    assert ("rating", True) in kinds
    assert {kind for kind, _ in kinds} == {"rating"}


def test_a_trainee_gets_training_tasks_by_their_name(web_site: WebSite) -> None:
    assert claimed(annotator(web_site, "trainee-1"))["kind"] == "training"


def test_claiming_again_gives_the_same_task(web_site: WebSite) -> None:
    client = annotator(web_site)
    assert claimed(client)["lease"] == claimed(client)["lease"]


def test_who_gets_nothing_is_told_in_which_stage_they_are(web_site: WebSite) -> None:
    web_site.program("people", user_id="owner-1").post(
        f"/api/v1/projects/{PROJECT}/members", json={"user": "annotator-1", "stage": "paused", "reason": "a talk first"}
    )
    assert annotator(web_site).post("/api/v1/claim").json() == {
        "task": None,
        "stage": "paused",
        "reason": "a talk first",
    }


def test_an_answer_is_kept_with_the_text_it_was_given_to(web_site: WebSite) -> None:
    client = annotator(web_site)
    task = claimed(client)
    left, right = {**SCORES, "helpfulness": 4}, {**SCORES, "helpfulness": 0}
    receipt = client.post("/api/v1/submit", json=said(task, responses=[left, right]))
    assert (receipt.status_code, receipt.json()["surplus"]) == (200, False)
    shown = cast("list[str]", task["responses"])
    assert [(row["response"], row["helpfulness"]) for row in ratings(web_site)] == [(shown[0], 4), (shown[1], 0)]


def test_a_replay_gets_the_same_receipt_and_a_changed_answer_is_refused(web_site: WebSite) -> None:
    client = annotator(web_site)
    answer = said(claimed(client))
    first = client.post("/api/v1/submit", json=answer).json()
    web_site.clock.move(days=1)
    assert client.post("/api/v1/submit", json=answer).json() == first
    changed = {**answer, "responses": [SCORES, {**SCORES, "verbosity": 3}]}
    assert client.post("/api/v1/submit", json=changed).status_code == 409
    assert len(ratings(web_site)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"responses": [{**SCORES, "helpfulness": 5}, SCORES]}, "responses.0.helpfulness"),
        ({"responses": [{**SCORES, "coherence": 2.5}, SCORES]}, "responses.0.coherence"),
        ({"responses": [{**SCORES, "coherence": True}, SCORES]}, "responses.0.coherence"),
        ({"responses": [SCORES, {**SCORES, "verbosity": None}]}, "right response: no verbosity"),
        ({"responses": [SCORES]}, "left and the right"),
        ({"responses": [SCORES, SCORES], "flags": ["pii"]}, "takes no scores"),
        ({"responses": [], "flags": ["boring"]}, "unknown flag 'boring'"),
        ({"responses": [], "flags": ["pii", "pii"]}, "given twice"),
        ({"helpful": 3}, "helpful: Extra inputs"),
    ],
)
def test_a_faulty_answer_is_refused_with_its_fault(web_site: WebSite, changes: Fields, message: str) -> None:
    client = annotator(web_site)
    answer = client.post("/api/v1/submit", json=said(claimed(client), **changes))
    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert ratings(web_site) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"{", "Invalid JSON"), (b'{"lease": "\\u0000", "flags": ["pii"]}', "holds a character that is no text")],
)
def test_what_no_database_could_keep_is_refused(web_site: WebSite, body: bytes, message: str) -> None:
    answer = annotator(web_site).post("/api/v1/submit", content=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_an_endless_body_is_refused(web_site: WebSite) -> None:
    assert annotator(web_site).post("/api/v1/submit", content=b" " * 70_000).status_code == 413


def test_another_annotators_lease_is_unknown(web_site: WebSite) -> None:
    task = claimed(annotator(web_site))
    other = annotator(web_site, "annotator-2")
    asked = [
        other.post("/api/v1/submit", json=said(task)),
        other.post("/api/v1/heartbeat", json={"lease": task["lease"]}),
        other.post("/api/v1/draft", json={"lease": task["lease"], "draft": "mine"}),
        other.post("/api/v1/skip", json={"lease": task["lease"]}),
    ]
    assert [answer.status_code for answer in asked] == [404] * 4


def test_a_flag_counts_as_this_annotators_answer(web_site: WebSite) -> None:
    client = annotator(web_site)
    lease = claimed(client)["lease"]
    assert client.post("/api/v1/submit", json={"lease": lease, "flags": ["not_english"]}).status_code == 200
    assert claimed(client)["task_id"] == "rating-1"
    assert [row["flags"] for row in ratings(web_site)] == [["not_english"]] * 2


def test_a_late_answer_to_a_finished_task_is_surplus(web_site: WebSite) -> None:
    late, receipts = annotator(web_site, "trainee-1"), []
    web_site.program("people", user_id="owner-1").post(
        f"/api/v1/projects/{PROJECT}/members", json={"user": "trainee-1", "stage": "working"}
    )
    answer = said(claimed(late))
    web_site.clock.move(days=1)
    for name in ANNOTATORS:
        client = annotator(web_site, name)
        receipts.append(client.post("/api/v1/submit", json=said(claimed(client))).json()["surplus"])
    assert receipts == [False] * 3
    assert late.post("/api/v1/submit", json=answer).json()["surplus"] is True


def test_a_heartbeat_lets_a_lease_last(web_site: WebSite) -> None:
    client = annotator(web_site)
    task = claimed(client)
    web_site.clock.move(minutes=5)
    held = client.post("/api/v1/heartbeat", json={"lease": task["lease"]}).json()
    assert held["state"] == "active"
    assert held["expires_at"] > str(task["expires_at"])


def test_a_draft_comes_back_with_the_task(web_site: WebSite) -> None:
    client = annotator(web_site)
    task = claimed(client)
    client.post("/api/v1/draft", json={"lease": task["lease"], "draft": "half done"})
    assert (task["draft"], claimed(client)["draft"]) == (None, "half done")


def test_a_skipped_task_goes_to_somebody_else(web_site: WebSite) -> None:
    client = annotator(web_site)
    task = claimed(client)
    assert client.post("/api/v1/skip", json={"lease": task["lease"], "reason": "too long"}).status_code == 200
    assert claimed(client)["task_id"] == "rating-1"
    assert claimed(annotator(web_site, "annotator-2"))["task_id"] == "rating-0"


def test_an_answer_that_is_undone_can_be_given_anew(web_site: WebSite) -> None:
    client = annotator(web_site)
    first = claimed(client)
    client.post("/api/v1/submit", json=said(first))
    again = client.post("/api/v1/undo").json()["task"]
    assert (again["lease"], again["revision"], ratings(web_site)) == (first["lease"], 1, [])
    better = said(again, revision=1, responses=[SCORES, {**SCORES, "helpfulness": 4}])
    assert client.post("/api/v1/submit", json=better).status_code == 200
    assert [row["helpfulness"] for row in ratings(web_site)] == [2, 4]


def test_with_nothing_to_undo_that_is_told(web_site: WebSite) -> None:
    assert annotator(web_site).post("/api/v1/undo").status_code == 409


def test_status_tells_ones_own_progress_and_nothing_of_others(web_site: WebSite) -> None:
    for name in ANNOTATORS:
        client = annotator(web_site, name)
        client.post("/api/v1/submit", json=said(claimed(client)))
    assert annotator(web_site).get("/api/v1/status").json() == {
        "annotator": "annotator-1",
        "project": PROJECT,
        "stage": "working",
        "reason": None,
        "guideline_version": "1",
        "tasks": 8,
        "finished": 1,
        "answered": 1,
    }


def work_through(client: TestClient) -> list[str]:
    """Answer tasks until there are none; on every third task the annotators disagree. Returns acknowledged leases."""
    acknowledged = []
    levels = (0, 4)[int(client.get("/api/v1/status").json()["annotator"][-1]) % 2]
    while task := claimed(client):
        number = int(str(task["task_id"]).rpartition("-")[2])
        scores = {**SCORES, "helpfulness": levels if number % 3 == 0 else 2}
        answer = client.post("/api/v1/submit", json=said(task, responses=[scores, scores]))
        assert answer.status_code == 200
        acknowledged.append(str(answer.json()["lease"]))
    return acknowledged


def test_many_at_once_never_over_assign_and_lose_nothing(web_site: WebSite) -> None:
    manager = web_site.program("people", "annotate", user_id="owner-1")
    names = [*ANNOTATORS, *(f"more-{number}" for number in range(4, 10))]
    for name in names[3:]:
        web_site.new_user(name)
        member = {"user": name, "stage": "working"}
        assert manager.post(f"/api/v1/projects/{PROJECT}/members", json=member).status_code == 200
    clients = [annotator(web_site, name) for name in names]
    with ThreadPoolExecutor(len(names)) as pool:
        leases = list(pool.map(work_through, clients))
    # a task may need a fourth rating only after most have found nothing to do and left
    leases += [work_through(client) for client in clients]
    rows = ratings(web_site)
    answers = Counter((row["task_id"], row["annotator"]) for row in rows)
    assert set(answers.values()) == {2}
    assert len(answers) == sum(len(each) for each in leases)
    by_task: dict[object, list[object]] = {}
    for row in rows:
        if row["position"] == 0:
            by_task.setdefault(row["task_id"], []).append(row["helpfulness"])
    assert len(by_task) == 8
    # the order of rows is the order of submission, so the first three decide
    for given in by_task.values():
        first = [cast("int", value) for value in given[:3]]
        assert len(given) == (5 if max(first) - min(first) > 2 else 3)
