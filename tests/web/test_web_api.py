from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from fastapi.testclient import TestClient

from steersman.records import ATTRIBUTES
from steersman.store.database.connection import create_database, open_database, reading, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks, read_ratings
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NUM_TASKS = 40
NUM_ANNOTATORS = 12
SCORES = dict.fromkeys(ATTRIBUTES, 2)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


class Site:
    """A running site and the tokens of its annotators."""

    def __init__(self, client: TestClient, *, path: Path, tokens: list[str], clock: Clock) -> None:
        self.client, self.path, self.tokens, self.clock = client, path, tokens, clock

    def claim(self, annotator: int) -> dict[str, object] | None:
        answer = self.client.post("/api/claim", headers=bearer(self.tokens[annotator]))
        assert answer.status_code == 200
        return cast("dict[str, object] | None", answer.json()["task"])

    def submit(self, annotator: int, body: object) -> tuple[int, dict[str, object]]:
        answer = self.client.post("/api/submit", headers=bearer(self.tokens[annotator]), json=body)
        return answer.status_code, answer.json()

    def ratings(self) -> list[dict[str, object]]:
        engine = open_database(self.path)
        with reading(engine) as connection:
            rows = list(read_ratings(connection))
        engine.dispose()
        return rows


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def new_task(number: int) -> NewTask:
    names = (f"t{number}-0", f"t{number}-1")
    first, second = (NewResponse(name, f"text of {name}", "model", None) for name in names)
    return NewTask(f"t{number}", f"prompt {number}", (first, second))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "site.sqlite"
    engine = create_database(path)
    with writing(engine) as connection:
        add_tasks(connection, [new_task(number) for number in range(NUM_TASKS)], need=3)
        tokens = [add_annotator(connection, f"annotator-{n}", now=NOON) for n in range(NUM_ANNOTATORS)]
    engine.dispose()
    clock = Clock()
    with TestClient(create_app(path, now=clock)) as client:
        yield Site(client, path=path, tokens=tokens, clock=clock)


def body(task: dict[str, object] | None, **changes: object) -> dict[str, object]:
    assert task is not None
    return {"lease": task["lease"], "responses": [SCORES, SCORES], **changes}


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}])
def test_without_a_known_token_nothing_is_given(site: Site, headers: dict[str, str]) -> None:
    answers = [
        site.client.post("/api/claim", headers=headers),
        site.client.post("/api/submit", headers=headers, json={}),
        site.client.get("/api/status", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert "token" in answers[0].json()["error"]


def test_a_task_shows_texts_and_no_names_of_responses_or_generators(site: Site) -> None:
    task = site.claim(0)
    assert task is not None
    assert set(task) == {"lease", "task_id", "messages", "responses", "expires_at"}
    assert sorted(cast("list[str]", task["responses"])) == ["text of t0-0", "text of t0-1"]
    assert task["messages"] == [{"role": "user", "content": "prompt 0"}]


def test_an_answer_is_kept_with_the_text_it_was_given_to(site: Site) -> None:
    task = site.claim(0)
    left, right = {**SCORES, "helpfulness": 4}, {**SCORES, "helpfulness": 0}
    status, receipt = site.submit(0, body(task, responses=[left, right]))
    assert (status, receipt["surplus"]) == (200, False)
    assert task is not None
    shown = cast("list[str]", task["responses"])
    assert [(row["response"], row["helpfulness"]) for row in site.ratings()] == [(shown[0], 4), (shown[1], 0)]


def test_a_replay_gets_the_same_answer_and_a_changed_one_is_refused(site: Site) -> None:
    said = body(site.claim(0))
    first = site.submit(0, said)
    site.clock.moment += timedelta(days=1)
    assert site.submit(0, said) == first
    assert site.submit(0, {**said, "responses": [SCORES, {**SCORES, "verbosity": 3}]})[0] == 409
    assert len(site.ratings()) == 2


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
def test_a_faulty_answer_is_refused_with_its_fault(site: Site, changes: dict[str, object], message: str) -> None:
    status, answer = site.submit(0, body(site.claim(0), **changes))
    assert status == 422
    assert message in str(answer["error"])
    assert site.ratings() == []


def test_what_is_not_json_is_refused(site: Site) -> None:
    answer = site.client.post("/api/submit", headers=bearer(site.tokens[0]), content=b"{")
    assert answer.status_code == 422
    assert "Invalid JSON" in answer.json()["error"]


def test_an_endless_body_is_refused(site: Site) -> None:
    answer = site.client.post("/api/submit", headers=bearer(site.tokens[0]), content=b" " * 20_000)
    assert answer.status_code == 413


def test_another_annotators_lease_is_unknown(site: Site) -> None:
    assert site.submit(1, body(site.claim(0)))[0] == 404


def test_a_flag_counts_as_this_annotators_answer(site: Site) -> None:
    task = site.claim(0)
    assert site.submit(0, {"lease": body(task)["lease"], "flags": ["not_english"]})[0] == 200
    following = site.claim(0)
    assert following is not None
    assert following["task_id"] == "t1"
    assert [row["flags"] for row in site.ratings()] == [["not_english"]] * 2


def test_a_late_answer_to_a_finished_task_is_surplus(site: Site) -> None:
    late = body(site.claim(0))
    site.clock.moment += timedelta(days=1)
    for annotator in (1, 2, 3):
        assert site.submit(annotator, body(site.claim(annotator)))[1]["surplus"] is False
    assert site.submit(0, late)[1]["surplus"] is True


def test_status_counts_the_work(site: Site) -> None:
    for annotator in range(3):
        site.submit(annotator, body(site.claim(annotator)))
    answer = site.client.get("/api/status", headers=bearer(site.tokens[0])).json()
    assert answer == {
        "annotator": "annotator-0",
        "guideline_version": "1",
        "tasks": NUM_TASKS,
        "finished": 1,
        "ratings": 6,
        "surplus": 0,
        "answered": 1,
    }


def work_through(site: Site, annotator: int) -> list[str]:
    """Answer tasks until there are none; on every third task the annotators disagree. Returns acknowledged leases."""
    acknowledged = []
    while task := site.claim(annotator):
        number = int(str(task["task_id"])[1:])
        helpfulness = (0, 4)[annotator % 2] if number % 3 == 0 else 2
        scores = {**SCORES, "helpfulness": helpfulness}
        status, receipt = site.submit(annotator, body(task, responses=[scores, scores]))
        assert status == 200
        acknowledged.append(str(receipt["lease"]))
    return acknowledged


def test_twelve_at_once_never_over_assign_and_lose_nothing(site: Site) -> None:
    with ThreadPoolExecutor(NUM_ANNOTATORS) as pool:
        leases = list(pool.map(lambda annotator: work_through(site, annotator), range(NUM_ANNOTATORS)))
    # a task may need a fourth rating only after most have found nothing to do and left
    leases += [work_through(site, annotator) for annotator in range(NUM_ANNOTATORS)]
    rows = site.ratings()
    answers = Counter((row["task_id"], row["annotator"]) for row in rows)
    assert set(answers.values()) == {2}
    assert len(answers) == sum(len(each) for each in leases)
    by_task: dict[object, list[object]] = {}
    for row in rows:
        if row["position"] == 0:
            by_task.setdefault(row["task_id"], []).append(row["helpfulness"])
    assert len(by_task) == NUM_TASKS
    # the order of rows is the order of submission, so the first three decide
    for given in by_task.values():
        first = [cast("int", value) for value in given[:3]]
        assert len(given) == (5 if max(first) - min(first) > 2 else 3)
    assert {len(given) for given in by_task.values()} == {3, 5}
