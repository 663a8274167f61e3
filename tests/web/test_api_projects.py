"""The API of projects: make them, bring tasks, watch them, stream out what was said."""

import json
from typing import cast

import pytest
from fastapi.testclient import TestClient
from web_site import KNOWN, PROJECT, TITLE, WebSite

from steersman.records import ATTRIBUTES
from steersman.store.database.connection import reading
from steersman.store.database.origin import read_origin
from steersman.store.lineage import Ancestor

pytest_plugins = ("web_fixtures",)

SCORES = dict.fromkeys(ATTRIBUTES, 2)
HERE = f"/api/v1/projects/{PROJECT}"
Fields = dict[str, object]


def task(name: str, **changes: object) -> Fields:
    responses = [{"response_id": f"{name}-{slot}", "response": f"text {slot}", "generator": "g"} for slot in (0, 1)]
    messages = [{"role": "user", "content": f"question {name}"}]
    return {"task_id": name, "messages": messages, "source": "mine", "responses": responses, **changes}


def known(*, text: str = "so it is") -> list[Fields]:
    return [{**dict(zip(ATTRIBUTES, each.scores, strict=True)), "explanation": text} for each in KNOWN]


def answer_one(client: TestClient, **changes: object) -> None:
    lease = client.post("/api/v1/claim").json()["task"]["lease"]
    body = {"lease": lease, "responses": [SCORES, {**SCORES, "helpfulness": 3}], **changes}
    assert client.post("/api/v1/submit", json=body).status_code == 200


def lines(client: TestClient, path: str) -> list[Fields]:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [cast("Fields", json.loads(line)) for line in answer.text.splitlines()]


def test_a_new_project_has_the_usual_settings_and_guideline(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    made = manager.post("/api/v1/projects", json={"project": "winter", "title": "Winter"})
    assert made.status_code == 201
    assert (made.json()["settings"]["overlap"]["first"], made.json()["guideline_version"]) == (3, 1)
    shown = manager.get("/api/v1/projects").json()["projects"]
    assert [(each["project"], each["title"]) for each in shown] == [(PROJECT, TITLE), ("winter", "Winter")]
    assert manager.get("/api/v1/projects/winter").json() == made.json()


def test_a_project_that_is_there_is_not_made_again(web_site: WebSite) -> None:
    answer = web_site.program("manage").post("/api/v1/projects", json={"project": PROJECT, "title": "x"})
    assert answer.status_code == 409


def test_settings_that_cannot_work_are_refused_whole(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    wrong = {"overlap": {"first": 5, "most": 3}, "gold": {"share": 0.9}}
    answer = manager.put(f"{HERE}/settings", json=wrong)
    assert answer.status_code == 422
    assert "overlap.most must be at least overlap.first" in answer.json()["error"]
    assert "gold.share" in answer.json()["error"]
    assert manager.get(HERE).json()["settings_version"] == 1


def test_a_change_of_settings_and_guideline_is_a_new_version(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    assert manager.put(f"{HERE}/settings", json={"overlap": {"first": 2}}).json() == {"version": 2}
    assert manager.put(f"{HERE}/guideline", json={"markdown": "# New"}).json() == {"version": 2}
    shown = manager.get(HERE).json()
    assert (shown["settings"]["overlap"]["first"], shown["settings_version"], shown["guideline_version"]) == (2, 2, 2)


def test_a_token_that_may_read_changes_nothing(web_site: WebSite) -> None:
    reader = web_site.program("read")
    asked = [
        reader.post("/api/v1/projects", json={"project": "winter", "title": "Winter"}),
        reader.put(f"{HERE}/settings", json={}),
        reader.put(f"{HERE}/guideline", json={"markdown": "# New"}),
        reader.post(f"{HERE}/tasks", json={"tasks": [task("a")]}),
    ]
    assert [answer.status_code for answer in asked] == [403] * 4


def test_an_annotators_token_reads_no_project(web_site: WebSite) -> None:
    annotator = web_site.program("annotate")
    places = ("/api/v1/projects", HERE, f"{HERE}/progress", f"{HERE}/ratings", f"{HERE}/preferences")
    assert [annotator.get(place).status_code for place in places] == [403] * 5


def test_tasks_are_added_behind_those_that_are_there(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    tasks = [task("a"), task("b", kind="gold", known=known()), task("c", priority=5, delivery="first")]
    assert manager.post(f"{HERE}/tasks", json={"tasks": tasks}).json() == {"added": 3, "known": 0}
    assert manager.get(f"{HERE}/progress").json()["tasks"] == 8 + 2
    # the one of the highest priority comes first
    assert web_site.program("annotate").post("/api/v1/claim").json()["task"]["task_id"] == "c"


def test_a_batch_that_comes_again_adds_nothing(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    tasks = [task("a"), task("b", kind="training", known=known())]
    manager.post(f"{HERE}/tasks", json={"tasks": tasks[:1]})
    assert manager.post(f"{HERE}/tasks", json={"tasks": tasks}).json() == {"added": 1, "known": 1}
    assert manager.post(f"{HERE}/tasks", json={"tasks": tasks}).json() == {"added": 0, "known": 2}


@pytest.mark.parametrize(
    "changes", [{"kind": "gold", "known": known(text="no")}, {"priority": 1}, {"messages": task("z")["messages"]}]
)
def test_another_task_of_the_same_name_is_refused_and_nothing_is_added(web_site: WebSite, changes: Fields) -> None:
    manager = web_site.program("manage")
    manager.post(f"{HERE}/tasks", json={"tasks": [task("a", kind="gold", known=known())]})
    answer = manager.post(f"{HERE}/tasks", json={"tasks": [task("b"), task("a", **changes)]})
    assert answer.status_code == 409
    assert "another task 'a'" in answer.json()["error"]
    assert manager.get(f"{HERE}/progress").json()["tasks"] == 8


def test_all_faults_of_a_batch_are_told_and_nothing_is_added(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    same = [{"response_id": "r", "response": "x", "generator": "g"}] * 2
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    tasks = [task("a", responses=same), task("b", messages=turns), task("c", kind="gold"), task("d", known=known())]
    answer = manager.post(f"{HERE}/tasks", json={"tasks": [task("good"), *tasks, task("e"), task("e")]})
    assert answer.status_code == 422
    told = answer.json()["error"]
    for words in (
        "task 'a': its responses share an id",
        "task 'b': a prompt alternates",
        "task 'c': a task of kind gold needs known scores",
        "task 'd': a rating task has none known",
        "task 'e': 2 tasks have this id",
    ):
        assert words in told
    assert manager.get(f"{HERE}/progress").json()["tasks"] == 8


def test_a_batch_may_not_be_endless(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    many = {"tasks": [task(str(number)) for number in range(1001)]}
    assert manager.post(f"{HERE}/tasks", json=many).status_code == 422
    assert manager.post(f"{HERE}/tasks", content=b" " * (9 << 20)).status_code == 413


def test_an_import_keeps_whose_prompts_and_responses_came(web_site: WebSite) -> None:
    manager = web_site.program("manage")
    tasks = [task("a", licence="CC0-1.0"), task("b", licence="CC0-1.0")]
    for _ in range(2):
        manager.post(f"{HERE}/tasks", json={"tasks": tasks, "simulated": True})
    with reading(web_site.engine) as connection:
        origin = read_origin(connection, PROJECT)
    assert origin.ancestors == (
        Ancestor("mine", "data", "prompts", "CC0-1.0"),
        Ancestor("g", "model", "responses", None),
    )
    assert origin.simulated


def test_progress_counts_tasks_answers_and_members(web_site: WebSite) -> None:
    for name in ("annotator-1", "annotator-2", "annotator-3"):
        answer_one(web_site.program("annotate", user_id=name))
    assert web_site.program("read").get(f"{HERE}/progress").json() == {
        "project": PROJECT,
        "tasks": 8,
        "finished": 1,
        "ended": 0,
        "answers": 3,
        "members": {"working": 3, "training": 1},
    }


def test_agreement_is_told_by_attribute_and_stage(web_site: WebSite) -> None:
    """Three annotators who give the same two scores to the two responses agree wholly: kappa 1 on helpfulness."""
    for name in ("annotator-1", "annotator-2", "annotator-3"):
        client = web_site.program("annotate", user_id=name)
        for _ in range(4):
            task = client.post("/api/v1/claim").json()["task"]
            # by the text and not by the side, which is drawn for each annotator
            levels = [4 if text.startswith("Response 0") else 0 for text in task["responses"]]
            body = {"lease": task["lease"], "responses": [{**SCORES, "helpfulness": level} for level in levels]}
            assert client.post("/api/v1/submit", json=body).status_code == 200
    found = web_site.program("read").get(f"{HERE}/agreement").json()
    assert list(found["agreement"]) == list(ATTRIBUTES)
    first = found["agreement"]["helpfulness"]["first_three"]
    assert (first["kappa"], first["tasks"], first["ratings"]) == (1.0, 4, 24)


def test_ratings_stream_in_order_with_who_gave_them(web_site: WebSite) -> None:
    for name in ("annotator-1", "annotator-2"):
        answer_one(web_site.program("annotate", user_id=name), simulated=True)
    rows = lines(web_site.program("read"), f"{HERE}/ratings")
    assert [(row["annotator"], row["position"], row["helpfulness"]) for row in rows] == [
        ("annotator-1", 0, 2),
        ("annotator-1", 1, 3),
        ("annotator-2", 0, 2),
        ("annotator-2", 1, 3),
    ]
    numbers = [cast("int", row["rating_id"]) for row in rows]
    assert numbers == sorted(numbers)


def test_a_stream_goes_on_where_it_ended(web_site: WebSite) -> None:
    reader, annotator = web_site.program("read"), web_site.program("annotate")
    for _ in range(3):
        answer_one(annotator)
    first = lines(reader, f"{HERE}/ratings?limit=4")
    rest = lines(reader, f"{HERE}/ratings?after={first[-1]['rating_id']}")
    assert first + rest == lines(reader, f"{HERE}/ratings")
    assert (len(first), len(rest)) == (4, 2)
    assert lines(reader, f"{HERE}/ratings?after={rest[-1]['rating_id']}") == []


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={2**31}", "limit=0", "format=csv"])
def test_a_stream_that_cannot_be_is_refused(web_site: WebSite, query: str) -> None:
    answer = web_site.program("read").get(f"{HERE}/ratings?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["error"]


def test_preferences_stream_with_their_justification(web_site: WebSite) -> None:
    why = "the left one answers what was asked"
    answer_one(web_site.program("annotate"), comparison={"strength": -2, "justification": why})
    rows = lines(web_site.program("read"), f"{HERE}/preferences")
    assert [(row["annotator"], abs(cast("int", row["strength"])), row["justification"]) for row in rows] == [
        ("annotator-1", 2, why)
    ]


@pytest.mark.parametrize("what", ["", "/progress", "/agreement", "/ratings", "/preferences", "/members"])
def test_a_project_that_is_not_there_is_told(web_site: WebSite, what: str) -> None:
    answer = web_site.program("read").get(f"/api/v1/projects/winter{what}")
    assert (answer.status_code, "winter" in answer.json()["error"]) == (404, True)
