import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from steersman.cli.server import bind
from steersman.client import AnnotationClient
from steersman.errors import RunError, SteersmanError
from steersman.records import ATTRIBUTES, Message
from steersman.store.database.connection import create_database, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SCORES = dict.fromkeys(ATTRIBUTES, 2)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port and give its address."""
    with bind("127.0.0.1", port=0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, str]]:
    path = tmp_path / "site.sqlite"
    engine = create_database(path)
    responses = (NewResponse("r0", "one", "model", None), NewResponse("r1", "two", "model", None))
    with writing(engine) as connection:
        add_tasks(connection, [NewTask("t1", "hello", responses)], need=3)
        token = add_annotator(connection, "ann", now=NOON)
    engine.dispose()
    with running(create_app(path, now=lambda: NOON)) as url:
        yield url, token


def test_a_task_is_claimed_answered_and_counted(site: tuple[str, str]) -> None:
    with AnnotationClient(*site) as client:
        task = client.claim()
        assert task is not None
        assert task.messages == (Message("user", "hello"),)
        assert sorted(task.responses) == ["one", "two"]
        receipt = client.submit(task.lease, responses=[SCORES, {**SCORES, "confidence": 1, "safe": True}])
        assert (receipt.task_id, receipt.surplus) == ("t1", False)
        assert client.claim() is None
        status = client.status()
    assert (status.annotator, status.answered, status.ratings, status.tasks) == ("ann", 1, 2, 1)


def test_what_the_site_refuses_is_told_in_its_words(site: tuple[str, str]) -> None:
    with AnnotationClient(*site) as client:
        task = client.claim()
        assert task is not None
        with pytest.raises(SteersmanError, match="left response: no helpfulness"):
            client.submit(task.lease, responses=[{}, SCORES])


def test_a_wrong_token_is_told(site: tuple[str, str]) -> None:
    with AnnotationClient(site[0], "wrong") as client, pytest.raises(SteersmanError, match="no access"):
        client.status()


def test_a_site_that_is_busy_once_is_asked_again() -> None:
    app = FastAPI()
    statuses = [503, 200]

    @app.post("/api/claim")
    def claim() -> JSONResponse:
        return JSONResponse({"task": None}, statuses.pop(0))

    with running(app) as url, AnnotationClient(url, "token") as client:
        assert client.claim() is None
    assert statuses == []


def test_a_site_that_is_down_is_told_after_a_few_attempts() -> None:
    with bind("127.0.0.1", port=0) as probe:
        port = probe.getsockname()[1]
    with (
        AnnotationClient(f"http://127.0.0.1:{port}", "token") as client,
        pytest.raises(RunError, match=r"cannot be reached .* is the site running"),
    ):
        client.status()


def test_something_else_than_a_site_is_told() -> None:
    with (
        running(FastAPI()) as url,
        AnnotationClient(url, "token") as client,
        pytest.raises(SteersmanError, match="status 404"),
    ):
        client.status()
