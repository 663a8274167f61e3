import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from fastapi.testclient import TestClient

from steersman.errors import ConfigError, DataError, RunError
from steersman.pipeline import licences
from steersman.pipeline.annotate import export, init, tasks
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage
from steersman.tables import PROMPTS, RATINGS, RESPONSES, table_from_rows
from steersman.web.app import create_app

SCORES = dict.fromkeys(ATTRIBUTES, 2)


def prompt(name: str, **changes: object) -> dict[str, object]:
    messages = [{"role": "user", "content": f"question {name}"}]
    return {"prompt_id": name, "messages": messages, "source": "test", "licence": None, **changes}


def answer(name: str, number: int) -> dict[str, object]:
    return {"prompt_id": name, "response_id": f"{name}-{number}", "response": f"answer {number}", "generator": "g"}


def made(prompts: list[dict[str, object]], responses: list[dict[str, object]]) -> list[str]:
    prompts_table = table_from_rows(prompts, table=PROMPTS, source="prompts")
    found = tasks(prompts_table, table_from_rows(responses, table=RESPONSES, source="responses"))
    return [task.task_id for task in found]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def new_site(folder: Path, *, annotators: int = 5) -> dict[str, object]:
    prompts = write(folder / "prompts.jsonl", [prompt("p1"), prompt("p2")])
    responses = write(folder / "responses.jsonl", [answer(name, number) for number in (0, 1) for name in ("p1", "p2")])
    return init(prompts, responses, out=folder / "site.sqlite", annotators=annotators)


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


def test_a_new_site_gives_each_annotator_a_token_of_their_own(tmp_path: Path) -> None:
    result = new_site(tmp_path)
    annotators = cast("list[dict[str, str]]", result["annotators"])
    assert (result["tasks"], result["notes"]) == (2, [])
    assert [each["annotator"] for each in annotators] == [f"annotator-{number}" for number in range(1, 6)]
    assert len({each["token"] for each in annotators}) == 5
    # one whole file, no log and no half-written copy beside it
    assert {each.name for each in tmp_path.iterdir()} == {"prompts.jsonl", "responses.jsonl", "site.sqlite"}


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
        init(prompts, responses, out=tmp_path / "site.sqlite", annotators=5)
    assert {each.name for each in tmp_path.iterdir()} == {"prompts.jsonl", "responses.jsonl"}


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="a folder is needed in which nobody may make a file")
def test_a_place_where_no_database_can_be_made_is_named(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", [prompt("p1")])
    responses = write(tmp_path / "responses.jsonl", [answer("p1", 0), answer("p1", 1)])
    with pytest.raises(RunError, match=r"^/sys/site\.sqlite: may not be written; check its permissions"):
        init(prompts, responses, out=Path("/sys/site.sqlite"), annotators=5)


def test_answers_come_out_as_a_ratings_table(tmp_path: Path) -> None:
    annotators = cast("list[dict[str, str]]", new_site(tmp_path)["annotators"])
    headers = {"authorization": f"Bearer {annotators[0]['token']}"}
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: noon), headers=headers) as client:
        for changes in ({"responses": [SCORES, SCORES]}, {"flags": ["pii"], "simulated": True}):
            lease = client.post("/api/claim").json()["task"]["lease"]
            assert client.post("/api/submit", json={"lease": lease, **changes}).status_code == 200
    result = export(tmp_path / "site.sqlite", out=tmp_path / "ratings.jsonl")
    assert (result["ratings"], result["tasks"], result["flagged"], result["surplus"]) == (4, 2, 2, 0)
    rows = read_table(tmp_path / "ratings.jsonl", table=RATINGS).to_dicts()
    assert [(row["task_id"], row["position"], row["helpfulness"], row["flags"], row["simulated"]) for row in rows] == [
        ("p1", 0, 2, [], None),
        ("p1", 1, 2, [], None),
        ("p2", 0, None, ["pii"], True),
        ("p2", 1, None, ["pii"], True),
    ]
    assert rows[0]["prompt"] == "question p1"
    assert {row["created_at"] for row in rows} == {"2026-01-02T12:00:00.000000+00:00"}
    assert {row["guideline_version"] for row in rows} == {"1"}


def exported(folder: Path, **changes: object) -> Path:
    """Make a site from one prompt whose responses carry `changes`, and export it into a folder of its own."""
    prompts = write(folder / "prompts.jsonl", [prompt("p1", source="mine", licence="CC0-1.0")])
    responses = write(folder / "responses.jsonl", [{**answer("p1", number), **changes} for number in (0, 1)])
    init(prompts, responses, out=folder / "site.sqlite", annotators=5)
    export(folder / "site.sqlite", out=folder / "out" / "ratings.jsonl")
    return folder / "out"


def test_an_export_tells_whose_responses_were_rated_under_which_terms(tmp_path: Path) -> None:
    out = exported(tmp_path, generator_licence="OpenAI terms of use")
    lineage = read_lineage(out)
    assert (lineage.stage, lineage.name, lineage.simulated) == ("ratings", "ratings", False)
    assert lineage.ancestors == (
        Ancestor("mine", "data", "prompts", "CC0-1.0"),
        Ancestor("g", "model", "responses", "OpenAI terms of use"),
    )
    assert licences.run(out / "ratings.jsonl")["commercial_use"] == "forbidden"


def test_an_export_inherits_what_stood_beside_prompts_and_responses(tmp_path: Path) -> None:
    crowd = Ancestor("steersman-simulated-crowd", "annotators", "ratings", None, simulated=True)
    policy = Ancestor("somebody/policy", "model", "responses", None)
    put_lineage(tmp_path, stage="responses", ancestors=(policy, crowd), simulated=True)
    lineage = read_lineage(exported(tmp_path))
    assert {policy, crowd} < set(lineage.ancestors)
    assert lineage.simulated


def put_lineage(folder: Path, *, stage: str, ancestors: tuple[Ancestor, ...] = (), simulated: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    write_lineage(folder, Lineage("other", stage, "2026-01-01", 0.0, None, "", {}, ancestors, simulated=simulated))


@pytest.mark.parametrize(("stage", "simulated"), [("ratings", True), ("clean", False), ("prompts", False)])
def test_an_export_is_not_put_beside_the_lineage_of_something_else(tmp_path: Path, stage: str, simulated: bool) -> None:
    new_site(tmp_path)
    put_lineage(tmp_path / "out", stage=stage, simulated=simulated)
    with pytest.raises(RunError, match="give the ratings a folder of their own"):
        export(tmp_path / "site.sqlite", out=tmp_path / "out" / "ratings.jsonl")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["lineage.json"]


def test_an_export_takes_the_place_of_an_earlier_one_and_of_nothing_else(tmp_path: Path) -> None:
    out = exported(tmp_path)
    export(tmp_path / "site.sqlite", out=out / "ratings.jsonl")
    for place in (out / "mine.jsonl", tmp_path / "mine.jsonl"):
        place.write_text("mine\n", encoding="utf-8")
        with pytest.raises(RunError, match=r"mine\.jsonl: already exists"):
            export(tmp_path / "site.sqlite", out=place)
        assert place.read_text(encoding="utf-8") == "mine\n"


def test_two_exports_in_one_folder_share_a_lineage_of_both(tmp_path: Path) -> None:
    out = exported(tmp_path / "first", generator_licence="OpenAI terms of use")
    exported(tmp_path / "second")
    export(tmp_path / "second" / "site.sqlite", out=out / "second.jsonl")
    assert "OpenAI terms of use" in {each.licence for each in read_lineage(out).ancestors}


def test_a_second_export_keeps_the_mark_of_simulation_of_the_first(tmp_path: Path) -> None:
    put_lineage(tmp_path / "first", stage="responses", simulated=True)
    out = exported(tmp_path / "first")
    exported(tmp_path / "second")
    export(tmp_path / "second" / "site.sqlite", out=out / "second.jsonl")
    assert read_lineage(out).simulated


def test_a_site_without_answers_exports_an_empty_table(tmp_path: Path) -> None:
    new_site(tmp_path)
    assert export(tmp_path / "site.sqlite", out=tmp_path / "ratings.jsonl")["ratings"] == 0
    assert (tmp_path / "ratings.jsonl").read_text(encoding="utf-8") == ""
