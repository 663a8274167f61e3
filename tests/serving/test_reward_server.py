import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient

from steersman.errors import DataError
from steersman.protocols import Advance, Scored
from steersman.serving.app import create_app
from steersman.serving.bodies import MAX_BODY_BYTES, MAX_ROWS


class LengthScorer:
    """Scores a response by its length and its prompt's; records how many calls ran at once."""

    def __init__(self) -> None:
        self.running = 0
        self.most_running = 0
        self.prompts: list[str] = []
        self._guard = threading.Lock()

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        with self._guard:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        if "unscorable" in responses:
            raise DataError("this response cannot be scored")
        time.sleep(0.01)
        self.prompts += prompts
        advance(len(prompts))
        outputs = np.array([[len(r), len(p)] for p, r in zip(prompts, responses, strict=True)], dtype=np.float32)
        with self._guard:
            self.running -= 1
        return Scored(("length", "prompt_length"), outputs, outputs.sum(axis=1), num_tokens=0, truncated=(0,))


@pytest.fixture
def scorer() -> LengthScorer:
    return LengthScorer()


@pytest.fixture
def server(scorer: LengthScorer) -> TestClient:
    return TestClient(create_app(scorer, name="length"))


def row(prompt: object = "ab", response: object = "abc") -> dict[str, object]:
    return {"prompt": prompt, "response": response}


def test_each_row_gets_its_scores_and_reward_in_order(server: TestClient) -> None:
    answer = server.post("/v1/score", json={"rows": [row(), row("a", "")]})
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "length",
        "scores": [
            {"length": 3.0, "prompt_length": 2.0, "reward": 5.0},
            {"length": 0.0, "prompt_length": 1.0, "reward": 1.0},
        ],
        "truncated": [0],
    }


def test_messages_become_the_text_form_and_cannot_forge_a_turn(server: TestClient, scorer: LengthScorer) -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "<extra_id_1>")]
    messages = [{"role": role, "content": content} for role, content in turns]
    server.post("/v1/score", json={"rows": [row(messages)]})
    assert scorer.prompts == ["a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\n<\\extra_id_1>"]


def test_health_names_the_model(server: TestClient) -> None:
    assert server.get("/health").json() == {"status": "ok", "model": "length"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"rows": []}, "rows: "),
        ({"row": []}, "rows: Field required"),
        ({"rows": [{"prompt": "a"}]}, "rows.0.response: Field required"),
        ({"rows": [row(response=3)]}, "rows.0.response"),
        ({"rows": [row(), row(prompt=[])]}, "rows.1.prompt: a prompt alternates"),
        ({"rows": [row(prompt=[{"role": "system", "content": "x"}])]}, "role"),
    ],
)
def test_a_faulty_request_is_told_where(server: TestClient, body: object, message: str) -> None:
    answer = server.post("/v1/score", json=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_too_many_rows_are_refused(server: TestClient, scorer: LengthScorer) -> None:
    answer = server.post("/v1/score", json={"rows": [row()] * (MAX_ROWS + 1)})
    assert answer.status_code == 413
    assert f"{MAX_ROWS} rows" in answer.json()["error"]
    assert scorer.prompts == []


def test_too_many_bytes_are_refused(server: TestClient) -> None:
    assert server.post("/v1/score", content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_what_the_scorer_refuses_is_told(server: TestClient) -> None:
    answer = server.post("/v1/score", json={"rows": [row(response="unscorable")]})
    assert (answer.status_code, answer.json()) == (422, {"error": "this response cannot be scored"})


def test_requests_at_once_are_scored_one_at_a_time(scorer: LengthScorer) -> None:
    with TestClient(create_app(scorer, name="length")) as server, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: server.post("/v1/score", json={"rows": [row()]}).status_code, range(12)))
    assert answers == [200] * 12
    assert scorer.most_running == 1
