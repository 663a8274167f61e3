"""The clients of the annotation site, against a real server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from web_site import PROJECT, WebSite, open_web_site

from steersman.cli.server import bind
from steersman.client import AnnotationClient, Imported, ProjectClient
from steersman.errors import RunError, SteersmanError
from steersman.records import ATTRIBUTES, Message

SCORES = dict.fromkeys(ATTRIBUTES, 2)
MANAGER = ("read", "manage", "people")


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port and give its address."""
    with bind("127.0.0.1", port=0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[WebSite, str]]:
    with open_web_site(tmp_path) as site, running(site.app) as url:
        yield site, url


@pytest.fixture
def annotator(served: tuple[WebSite, str]) -> Iterator[AnnotationClient]:
    with AnnotationClient(served[1], served[0].token("annotate")) as client:
        yield client


@pytest.fixture
def manager(served: tuple[WebSite, str]) -> Iterator[ProjectClient]:
    with ProjectClient(served[1], served[0].token(*MANAGER, user_id="manager-1")) as client:
        yield client


def task(name: str, text: str = "text") -> dict[str, object]:
    responses = [{"response_id": f"{name}-{slot}", "response": text, "generator": "g"} for slot in (0, 1)]
    return {"task_id": name, "messages": [{"role": "user", "content": "?"}], "source": "s", "responses": responses}


def answer_one(client: AnnotationClient) -> None:
    found = client.claim()
    assert found is not None
    comparison = {"strength": 1, "justification": "it says more of it"}
    client.submit(found.lease, responses=[SCORES, SCORES], simulated=True, comparison=comparison)


def test_a_task_is_claimed_answered_and_counted(annotator: AnnotationClient) -> None:
    found = annotator.claim()
    assert found is not None
    assert found.messages == (Message("user", "Prompt of rating-0?"),)
    assert sorted(found.responses) == ["Response 0 of rating-0.", "Response 1 of rating-0."]
    receipt = annotator.submit(found.lease, responses=[SCORES, {**SCORES, "confidence": 1, "safe": True}])
    assert (receipt.task_id, receipt.revision, receipt.surplus) == ("rating-0", 0, False)
    status = annotator.status()
    assert (status.annotator, status.project, status.answered, status.tasks) == ("annotator-1", PROJECT, 1, 8)


def test_a_task_is_held_skipped_and_taken_back(annotator: AnnotationClient) -> None:
    first = annotator.claim()
    assert first is not None
    assert annotator.heartbeat(first.lease).state == "active"
    annotator.save_draft(first.lease, "half")
    annotator.skip(first.lease, reason="too long")
    second = annotator.claim()
    assert second is not None
    assert second.task_id != first.task_id
    annotator.submit(second.lease, responses=[SCORES, SCORES])
    again = annotator.undo()
    assert (again.lease, again.revision) == (second.lease, 1)
    assert annotator.submit(again.lease, responses=[SCORES, SCORES], revision=again.revision).revision == 1


def test_what_the_site_refuses_is_told_in_its_words(annotator: AnnotationClient) -> None:
    found = annotator.claim()
    assert found is not None
    with pytest.raises(SteersmanError, match="left response: no helpfulness"):
        annotator.submit(found.lease, responses=[{}, SCORES])


def test_a_wrong_token_is_told(served: tuple[WebSite, str]) -> None:
    with AnnotationClient(served[1], "wrong") as client, pytest.raises(SteersmanError, match="no access"):
        client.status()


def test_a_manager_makes_a_project_and_imports_again_without_harm(manager: ProjectClient) -> None:
    manager.create_project("winter", title="Winter", settings={"overlap": {"first": 1, "most": 1}})
    # each over a megabyte, so that they take several batches
    tasks = [task(f"t{number}", "x" * 600_000) for number in range(6)]
    assert manager.import_tasks("winter", tasks[:2]) == Imported(2, 0)
    assert manager.import_tasks("winter", tasks) == Imported(4, 2)
    assert manager.projects() == [PROJECT, "winter"]
    assert manager.progress("winter").tasks == 6


def test_a_manager_lets_somebody_in_who_then_works(served: tuple[WebSite, str], manager: ProjectClient) -> None:
    assert manager.add_user("ann", project=PROJECT).startswith("/join?code=")
    assert manager.invite(PROJECT, max_uses=3).startswith("/join?code=")
    manager.set_member(PROJECT, "ann", stage="working")
    with AnnotationClient(served[1], manager.add_token("ann", label="program")) as client:
        answer_one(client)
    assert [each["answered"] for each in manager.members(PROJECT) if each["user"] == "ann"] == [1]


def test_watching_ends_when_no_task_is_open_any_more(served: tuple[WebSite, str], manager: ProjectClient) -> None:
    manager.create_project("winter", title="Winter", settings={"overlap": {"first": 1, "most": 1}})
    manager.import_tasks("winter", [task("t1")])
    manager.set_member("winter", "annotator-1", stage="working")
    watched = manager.watch("winter", interval_seconds=0.0)
    seen = [next(watched)]
    with AnnotationClient(served[1], served[0].token("annotate"), project="winter") as client:
        answer_one(client)
    seen += watched
    assert [(each.finished, each.tasks) for each in seen] == [(0, 1), (1, 1)]


def test_ratings_and_preferences_come_out_row_by_row(annotator: AnnotationClient, manager: ProjectClient) -> None:
    for _ in range(3):
        answer_one(annotator)
    rows = list(manager.ratings(PROJECT))
    assert [(row["annotator"], row["position"], row["simulated"]) for row in rows] == [
        ("annotator-1", position, True) for _ in range(3) for position in (0, 1)
    ]
    assert list(manager.ratings(PROJECT, after=int(str(rows[3]["rating_id"])))) == rows[4:]
    assert [row["justification"] for row in manager.preferences(PROJECT)] == ["it says more of it"] * 3


def test_a_stream_that_a_token_may_not_read_is_told(served: tuple[WebSite, str]) -> None:
    with (
        ProjectClient(served[1], served[0].token("annotate")) as client,
        pytest.raises(SteersmanError, match="how others work"),
    ):
        next(client.ratings(PROJECT))


def test_a_site_that_is_busy_once_is_asked_again() -> None:
    app = FastAPI()
    statuses = [503, 200]

    @app.post("/api/v1/claim")
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
