"""Making the database of a site: one task per prompt, an owner and annotators, whole or not at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from fastapi.testclient import TestClient
from site_tables import SETTINGS, Fields, annotators_of, answer, new_site, prompt, rate, tables, write

from steersman.errors import ConfigError, DataError, RunError
from steersman.pipeline.annotate import NewProject, init
from steersman.pipeline.annotate_tasks import tasks
from steersman.store.database.connection import open_database, reading
from steersman.store.database.projects import read_guideline, read_project
from steersman.tables import PROMPTS, RESPONSES, table_from_rows
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def made(prompts: list[Fields], responses: list[Fields]) -> list[str]:
    prompts_table = table_from_rows(prompts, table=PROMPTS, source="prompts")
    found = tasks(prompts_table, table_from_rows(responses, table=RESPONSES, source="responses"))
    return [task.task_id for task in found]


def test_tasks_follow_the_order_of_prompts() -> None:
    responses = [answer(name, number) for name in ("a", "b") for number in (0, 1)]
    assert made([prompt("b"), prompt("a")], responses) == ["b", "a"]


def test_a_prompt_that_was_not_kept_makes_no_task() -> None:
    assert made([prompt("a", kept=False), prompt("b", kept=True)], [answer("b", 0), answer("b", 1)]) == ["b"]


def test_answers_to_a_prompt_that_was_not_kept_are_passed_over() -> None:
    responses = [answer(name, number) for name in ("a", "b") for number in (0, 1)]
    assert made([prompt("a", kept=False), prompt("b")], responses) == ["b"]


def test_all_faults_are_told_at_once() -> None:
    prompts = [prompt("a"), prompt("b", messages=[]), prompt("c"), prompt("c")]
    responses = [answer("a", 0), answer("b", 0), answer("b", 0), answer("x", 0)]
    with pytest.raises(DataError) as caught:
        made(prompts, responses)
    message = str(caught.value)
    assert "prompt 'a': has 1 responses" in message
    assert "prompt 'b': its responses share an id" in message
    assert "prompt 'b': a prompt alternates" in message
    assert "prompt 'c': has 0 responses" in message
    assert "prompt 'c': 2 rows have this id" in message
    assert "responses to 'x': there is no such prompt" in message


def test_a_table_without_kept_prompts_is_told() -> None:
    with pytest.raises(DataError, match="nothing to rate"):
        made([prompt("a", kept=False)], [])


def test_a_new_site_gives_each_annotator_doors_of_their_own(tmp_path: Path) -> None:
    result = new_site(tmp_path)
    people = annotators_of(result)
    assert (result["tasks"], result["project"], result["notes"]) == (2, "site", [])
    assert [each["annotator"] for each in people] == [f"annotator-{number}" for number in range(1, 6)]
    assert len({each["token"] for each in people} | {each["invitation"] for each in people}) == 10
    assert all(each["invitation"].startswith("/join?code=") for each in people)
    # one whole file, no log and no half-written copy beside it
    assert {each.name for each in tmp_path.iterdir()} == {"prompts.jsonl", "responses.jsonl", "site.sqlite"}


def test_the_owner_of_a_new_site_may_read_and_manage_by_program(tmp_path: Path) -> None:
    owner = cast("dict[str, str]", new_site(tmp_path)["owner"])
    headers = {"authorization": f"Bearer {owner['token']}"}
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: NOON), headers=headers) as client:
        assert [each["project"] for each in client.get("/api/v1/projects").json()["projects"]] == ["site"]
        assert client.post("/api/v1/users", json={"user": "ann"}).status_code == 201


def test_an_annotator_of_a_new_site_gets_to_work_at_once(tmp_path: Path) -> None:
    """There are no training tasks, and no qualification tasks to make a test of."""
    people = annotators_of(new_site(tmp_path))
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: NOON)) as client:
        assert rate(client, people[0]["token"])["kind"] == "rating"


def test_a_project_takes_its_settings_title_and_guideline(tmp_path: Path) -> None:
    project = NewProject(SETTINGS, "# Ours", "summer", "Summer")
    result = init(*tables(tmp_path, "p1"), out=tmp_path / "site.sqlite", annotators=5, project=project)
    assert result["project"] == "summer"
    engine = open_database(tmp_path / "site.sqlite")
    with reading(engine) as connection:
        found = read_project(connection, "summer")
        assert (found.title, found.settings) == ("Summer", SETTINGS.model_dump(mode="json"))
        assert read_guideline(connection, "summer").markdown == "# Ours"
    engine.dispose()


@pytest.mark.parametrize(
    ("name", "project"), [("My Site (2).db", "my-site-2"), ("...db", "main"), ("\u00e4.db", "main")]
)
def test_a_project_without_a_name_is_called_as_its_file(tmp_path: Path, name: str, project: str) -> None:
    result = init(*tables(tmp_path, "p1"), out=tmp_path / name, annotators=5, project=NewProject(SETTINGS, "# Rate"))
    assert result["project"] == project


def test_a_project_id_that_cannot_be_leaves_nothing_behind(tmp_path: Path) -> None:
    project = NewProject(SETTINGS, "# Rate", "Not So")
    with pytest.raises(ConfigError, match="use up to 63 of a-z"):
        init(*tables(tmp_path, "p1"), out=tmp_path / "site.sqlite", annotators=5, project=project)
    assert {each.name for each in tmp_path.iterdir()} == {"prompts.jsonl", "responses.jsonl"}


def test_a_site_is_never_made_over_another(tmp_path: Path) -> None:
    new_site(tmp_path)
    before = (tmp_path / "site.sqlite").read_bytes()
    with pytest.raises(RunError, match="already exists"):
        new_site(tmp_path)
    assert (tmp_path / "site.sqlite").read_bytes() == before


def test_too_few_annotators_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        new_site(tmp_path, annotators=0)
    assert "some will stay unfinished" in str(new_site(tmp_path, annotators=4)["notes"])


def test_faulty_tables_leave_nothing_behind(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", [prompt("p1")])
    responses = write(tmp_path / "responses.jsonl", [answer("p1", 0)])
    with pytest.raises(DataError, match="has 1 responses"):
        init(prompts, responses, out=tmp_path / "site.sqlite", annotators=5, project=NewProject(SETTINGS, "# Rate"))
    assert {each.name for each in tmp_path.iterdir()} == {"prompts.jsonl", "responses.jsonl"}


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="a folder is needed in which nobody may make a file")
def test_a_place_where_no_database_can_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^/sys/site\.sqlite: may not be written; check its permissions"):
        new_site(tmp_path, place="/sys/site.sqlite")
