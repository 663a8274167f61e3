"""A full queue, clients that leave and the end of the server, over real HTTP; gates in the scorer decide the order."""

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import httpx
import pytest
from served import PATIENCE_SECONDS, GatedScorer, LengthScorer, Running, running

from steersman.serving.batching import BatchLimits

LIMITS = BatchLimits(max_queue_rows=2, batch_wait_seconds=0.0)


def until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert monotonic() < deadline
        sleep(0.005)


def ask(server: Running, *responses: str) -> httpx.Response:
    body = {"rows": [{"prompt": "p", "response": each} for each in responses]}
    return httpx.post(f"{server.url}/v1/score", json=body, timeout=PATIENCE_SECONDS)


def lengths(answer: "Future[httpx.Response]") -> list[float]:
    return [row["length"] for row in answer.result(PATIENCE_SECONDS).json()["scores"]]


def test_a_full_queue_is_told_with_the_time_to_come_back_and_empties_again() -> None:
    scorer = GatedScorer()
    with running(scorer, limits=LIMITS) as server, ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, server, "a")
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        second = pool.submit(ask, server, "bb", "ccc")
        until(lambda: server.batcher.num_queued_rows == 2)
        refused = ask(server, "d")
        scorer.gate.set()
        assert (lengths(first), lengths(second)) == ([1.0], [2.0, 3.0])
        assert ask(server, "d").status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"].startswith("the queue is full: 2 rows wait, it holds 2 rows")


def test_the_rows_of_a_client_that_leaves_are_not_scored() -> None:
    scorer = GatedScorer()
    with running(scorer, limits=LIMITS) as server, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, server, "a")
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        body = b'{"rows": [{"prompt": "p", "response": "leaves"}]}'
        with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0)) as leaving:
            head = "POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            leaving.sendall(head.encode() + body)
            until(lambda: server.batcher.num_queued_rows == 1)
        until(lambda: server.batcher.num_queued_rows == 0)
        scorer.gate.set()
        assert lengths(first) == [1.0]
        until(lambda: '"/v1/score",status="499"} 1.0' in httpx.get(f"{server.url}/metrics").text)
    assert [response for call in scorer.calls for _, response in call] == ["a"]


def test_at_the_end_what_runs_is_answered_and_what_waits_is_sent_away() -> None:
    scorer = GatedScorer()
    with running(scorer, limits=LIMITS) as server, ThreadPoolExecutor(2) as pool:
        runs = pool.submit(ask, server, "a")
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        waits = pool.submit(ask, server, "bb")
        until(lambda: server.batcher.num_queued_rows == 1)
        server.stop()
        assert waits.result(PATIENCE_SECONDS).status_code == 503
        assert "stopping" in waits.result().json()["error"]
        scorer.gate.set()
        assert lengths(runs) == [1.0]
    with pytest.raises(httpx.ConnectError):
        ask(server, "c")


def test_a_server_that_stops_is_not_ready_and_one_whose_model_is_dead_is_not_live() -> None:
    scorer = GatedScorer()
    with running(scorer) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, server, "a")
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        server.batcher.stop()
        assert [httpx.get(f"{server.url}/health{each}").status_code for each in ("", "/ready", "/live")] == [
            503,
            503,
            200,
        ]
        scorer.gate.set()
        server.batcher.join()
        assert httpx.get(f"{server.url}/health/live").status_code == 500
        assert lengths(answer) == [1.0]


def test_a_model_that_breaks_is_told_as_a_fault_of_the_server() -> None:
    with running(LengthScorer()) as server:
        broken, fine = ask(server, "explosive"), ask(server, "a")
    assert (broken.status_code, fine.status_code) == (500, 200)
    assert "the model failed" in broken.json()["error"]
