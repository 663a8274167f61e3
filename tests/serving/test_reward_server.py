from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from served import HOST, LengthScorer, served

from steersman.backends.limits import LimitedScorer
from steersman.serving.app import OPENAI_PATHS, OWN_PATHS
from steersman.serving.bodies import MAX_BODY_BYTES
from steersman.serving.rows import MAX_ROW_CHARACTERS, MAX_ROWS

ADDRESS = f"http://{HOST}:8100"
SCORING_PATHS = ["/v1/score", "/get_reward", *OPENAI_PATHS]
READING_PATHS = sorted(set(OWN_PATHS) - set(SCORING_PATHS))


@pytest.fixture
def scorer() -> LengthScorer:
    return LengthScorer()


@pytest.fixture
def server(scorer: LengthScorer) -> Iterator[TestClient]:
    with TestClient(served(scorer).app, base_url=ADDRESS) as client:
        yield client


def error_in(body: dict[str, Any]) -> str:
    """Return the message of an error, in our form or in OpenAI's."""
    error = body["error"]
    return str(error["message"] if isinstance(error, dict) else error)


def row(prompt: object = "ab", response: object = "abc") -> dict[str, object]:
    return {"prompt": prompt, "response": response}


def test_each_row_gets_its_scores_and_reward_in_order(server: TestClient) -> None:
    answer = server.post("/v1/score", json={"rows": [row(), row("a", ""), row(response="cut")]})
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "length",
        "scores": [
            {"length": 3.0, "prompt_length": 2.0, "reward": 8.0},
            {"length": 0.0, "prompt_length": 1.0, "reward": 1.0},
            {"length": 3.0, "prompt_length": 2.0, "reward": 8.0},
        ],
        "truncated": [2],
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
        ({"rows": [row(prompt=[{"role": "system", "content": "x"}])]}, "rows.0.prompt.0.role: Input should be 'user'"),
        ({"rows": [row(prompt=3)]}, "rows.0.prompt: Input should be a valid string, or: Input should be a valid array"),
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


@pytest.mark.parametrize("path", SCORING_PATHS)
def test_too_many_bytes_are_refused(server: TestClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    assert server.post(path, content=b" " * (MAX_BODY_BYTES + 1), headers=headers).status_code == 413


def test_too_long_a_row_is_refused_before_it_is_tokenised(server: TestClient, scorer: LengthScorer) -> None:
    answer = server.post("/v1/score", json={"rows": [row(), row("a", "b" * MAX_ROW_CHARACTERS)]})
    assert answer.status_code == 413
    assert answer.json()["error"].endswith(f"characters; rows.1 has {MAX_ROW_CHARACTERS + 1}")
    assert scorer.prompts == []


def test_a_conversation_that_is_too_long_is_refused_and_nothing_is_scored(scorer: LengthScorer) -> None:
    with TestClient(served(LimitedScorer(scorer, max_tokens=5)).app, base_url=ADDRESS) as server:
        answer = server.post("/v1/score", json={"rows": [row("ab", "abc"), row("ab", "abcd")]})
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("row 1 has 6 tokens; a prompt and its response may have 5 together")
        assert scorer.prompts == []
        assert server.post("/v1/score", json={"rows": [row("ab", "abc")]}).status_code == 200


@pytest.mark.parametrize("path", SCORING_PATHS)
@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", "", None])
def test_a_body_that_is_not_declared_as_json_is_refused(
    server: TestClient, scorer: LengthScorer, path: str, declared: str | None
) -> None:
    headers = {} if declared is None else {"content-type": declared}
    answer = server.post(path, content=b'{"rows": [{"prompt": "a", "response": "b"}]}', headers=headers)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in error_in(answer.json())
    assert scorer.prompts == []


def test_the_character_set_may_be_declared_with_json(server: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    body = b'{"rows": [{"prompt": "a", "response": "b"}]}'
    assert server.post("/v1/score", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("path", SCORING_PATHS + READING_PATHS)
@pytest.mark.parametrize(
    "host", ["elsewhere.example", "elsewhere.example:8100", "127.0.0.1.elsewhere.example", "", "["]
)
def test_a_request_to_a_foreign_name_is_refused(server: TestClient, scorer: LengthScorer, path: str, host: str) -> None:
    method, body = ("POST", {"rows": [row()]}) if path in SCORING_PATHS else ("GET", None)
    answer = server.request(method, path, json=body, headers={"host": host})
    assert answer.status_code == 421
    assert "this server is 127.0.0.1" in error_in(answer.json())
    assert scorer.prompts == []


@pytest.mark.parametrize("host", ["127.0.0.1:8100", "localhost", "LocalHost:9", "[::1]:8100", "[::1]"])
def test_a_request_to_a_local_name_is_answered(server: TestClient, host: str) -> None:
    assert server.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("bound", "status"), [("box.example", 200), ("other.example", 421), ("0.0.0.0", 200), ("::", 200)]
)
def test_a_server_answers_to_the_name_it_listens_at(scorer: LengthScorer, bound: str, status: int) -> None:
    with TestClient(served(scorer, host=bound).app, base_url="http://Box.example:8100") as server:
        assert server.get("/health").status_code == status


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_there_are_no_pages_about_the_server(server: TestClient, path: str) -> None:
    assert server.get(path).status_code == 404


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/score", 404), ("GET", "/v1/score", 405)])
def test_a_request_that_nothing_here_takes_is_told_what_does(
    server: TestClient, method: str, path: str, status: int
) -> None:
    answer = server.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(f"{method} {path}: ")
    assert "/v1/score, /get_reward" in answer.json()["error"]


def test_what_the_scorer_refuses_is_told(server: TestClient) -> None:
    answer = server.post("/v1/score", json={"rows": [row(response="unscorable")]})
    assert (answer.status_code, answer.json()) == (422, {"error": "this response cannot be scored"})


def test_requests_at_once_are_scored_one_call_at_a_time(server: TestClient, scorer: LengthScorer) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: server.post("/v1/score", json={"rows": [row()]}).status_code, range(12)))
    assert answers == [200] * 12
    assert scorer.most_running == 1


def test_every_route_is_counted_under_a_path_of_its_own(scorer: LengthScorer) -> None:
    routes = {route.path for route in served(scorer).app.routes if isinstance(route, APIRoute)}
    assert routes == {*OWN_PATHS, *OPENAI_PATHS}
