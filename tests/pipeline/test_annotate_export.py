"""Ratings come out of a site as a table, with what else people said beside it and the lineage of both."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from site_tables import SETTINGS, annotators_of, answer, new_site, prompt, rate, write

from steersman.errors import ConfigError, RunError
from steersman.pipeline import licences
from steersman.pipeline.annotate import NewProject, init
from steersman.pipeline.annotate_export import export
from steersman.store.database.audit import Act
from steersman.store.database.connection import open_database, writing
from steersman.store.database.projects import add_project
from steersman.store.database.reviewing import adjudicate
from steersman.store.files import read_rows, read_table, sha256_file
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage
from steersman.tables import PREFERENCE_RATINGS, RATINGS
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WHY = "the left one names the source"


def answered_site(folder: Path) -> None:
    """Make a site whose first annotator rates one task and flags the other."""
    token = annotators_of(new_site(folder))[0]["token"]
    with TestClient(create_app(folder / "site.sqlite", now=lambda: NOON)) as client:
        rate(client, token, comparison={"strength": -2, "justification": WHY})
        rate(client, token, flags=["pii"], simulated=True)


@pytest.mark.parametrize("name", ["ratings.jsonl", "ratings.jsonl.gz", "ratings.parquet"])
def test_answers_come_out_as_a_ratings_table(tmp_path: Path, name: str) -> None:
    answered_site(tmp_path)
    result = export(tmp_path / "site.sqlite", out=tmp_path / "out" / name)
    assert (result["ratings"], result["tasks"], result["flagged"], result["surplus"]) == (4, 2, 2, 0)
    rows = read_table(tmp_path / "out" / name, table=RATINGS).to_dicts()
    assert [(row["task_id"], row["position"], row["helpfulness"], row["flags"], row["simulated"]) for row in rows] == [
        ("p1", 0, 2, [], None),
        ("p1", 1, 2, [], None),
        ("p2", 0, None, ["pii"], True),
        ("p2", 1, None, ["pii"], True),
    ]
    assert rows[0]["prompt"] == "question p1"
    assert {row["annotator"] for row in rows} == {"annotator-1"}
    assert {row["created_at"] for row in rows} == {"2026-01-02T12:00:00.000000+00:00"}
    assert {row["guideline_version"] for row in rows} == {"1"}


def test_preferences_lie_beside_the_ratings_and_go_when_there_are_none(tmp_path: Path) -> None:
    answered_site(tmp_path)
    out = tmp_path / "out" / "ratings.jsonl"
    assert export(tmp_path / "site.sqlite", out=out)["preferences"] == 1
    (row,) = read_table(tmp_path / "out" / "ratings-preferences.jsonl", table=PREFERENCE_RATINGS).to_dicts()
    assert (row["task_id"], row["annotator"], abs(row["strength"]), row["justification"]) == (
        "p1",
        "annotator-1",
        2,
        WHY,
    )
    new_site(tmp_path / "second")
    assert export(tmp_path / "second" / "site.sqlite", out=out)["preferences"] == 0
    assert {each.name for each in out.parent.iterdir()} == {"ratings.jsonl", "lineage.json"}


def test_adjudications_lie_beside_the_ratings(tmp_path: Path) -> None:
    answered_site(tmp_path)
    engine = open_database(tmp_path / "site.sqlite")
    with writing(engine) as connection:
        adjudicate(
            connection, "site", "p1", scores=[(4, 4, 4, 2, 2), (0, 0, 4, 1, 1)], note="seen", by=Act("owner", NOON)
        )
    engine.dispose()
    assert export(tmp_path / "site.sqlite", out=tmp_path / "out" / "ratings.jsonl")["adjudications"] == 2
    rows = read_rows(tmp_path / "out" / "ratings-adjudications.jsonl")
    assert [(row["response_id"], row["helpfulness"], row["reviewer"]) for row in rows] == [
        ("p1-0", 4, "owner"),
        ("p1-1", 0, "owner"),
    ]


def test_the_lineage_holds_the_hash_of_the_answers(tmp_path: Path) -> None:
    answered_site(tmp_path)
    export(tmp_path / "site.sqlite", out=tmp_path / "out" / "ratings.jsonl")
    inputs = read_lineage(tmp_path / "out").inputs
    assert set(inputs) == {"prompts", "responses", "answers"}
    assert inputs["answers"] == sha256_file(tmp_path / "out" / "ratings.jsonl")


def test_of_several_projects_one_must_be_named(tmp_path: Path) -> None:
    answered_site(tmp_path)
    engine = open_database(tmp_path / "site.sqlite")
    with writing(engine) as connection:
        settings = SETTINGS.model_dump(mode="json")
        add_project(connection, "winter", title="W", settings=settings, guideline="# Rate", by=Act(None, NOON))
    engine.dispose()
    with pytest.raises(ConfigError, match="projects winter, site; name one with --project"):
        export(tmp_path / "site.sqlite", out=tmp_path / "out" / "ratings.jsonl")
    assert not (tmp_path / "out").exists()
    assert export(tmp_path / "site.sqlite", out=tmp_path / "out" / "r.jsonl", project_id="site")["ratings"] == 4
    assert export(tmp_path / "site.sqlite", out=tmp_path / "w" / "r.jsonl", project_id="winter")["ratings"] == 0


def exported(folder: Path, **changes: object) -> Path:
    """Make a site from one prompt whose responses carry `changes`, and export it into a folder of its own."""
    prompts = write(folder / "prompts.jsonl", [prompt("p1", source="mine", licence="CC0-1.0")])
    responses = write(folder / "responses.jsonl", [{**answer("p1", number), **changes} for number in (0, 1)])
    init(prompts, responses, out=folder / "site.sqlite", annotators=5, project=NewProject(SETTINGS, "# Rate"))
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


def test_a_simulated_answer_marks_the_whole_export(tmp_path: Path) -> None:
    answered_site(tmp_path)
    export(tmp_path / "site.sqlite", out=tmp_path / "out" / "ratings.jsonl")
    assert read_lineage(tmp_path / "out").simulated


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


@pytest.mark.parametrize("name", ["ratings.jsonl", "ratings.parquet"])
def test_a_site_without_answers_exports_an_empty_table(tmp_path: Path, name: str) -> None:
    new_site(tmp_path)
    assert export(tmp_path / "site.sqlite", out=tmp_path / name)["ratings"] == 0
    assert (tmp_path / name).is_file()
