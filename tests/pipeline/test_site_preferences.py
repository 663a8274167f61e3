"""Which response annotators of a site prefer, from their pages to the cleaned dataset and into another site."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from fastapi.testclient import TestClient
from site_tables import SCORES, SETTINGS, Fields, annotators_of, answer, prompt, tables, write

from steersman.config.cleaning import CleanSettings
from steersman.errors import DataError
from steersman.pipeline import clean
from steersman.pipeline.annotate import NewProject, init
from steersman.pipeline.annotate_export import export
from steersman.pipeline.annotate_ratings import add_ratings
from steersman.store.files import read_rows
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NAMES = [f"p{number}" for number in range(12)]
BETTER = "answer 1"
RULES = CleanSettings.model_validate({})


def rated_site(folder: Path) -> Path:
    """Make a site whose responses come in the reverse order of their ids, where everybody prefers BETTER."""
    prompts = write(folder / "prompts.jsonl", [prompt(name) for name in NAMES])
    responses = write(folder / "responses.jsonl", [answer(name, number) for number in (1, 0) for name in NAMES])
    made = init(
        prompts, responses, out=folder / "site.sqlite", annotators=3, project=NewProject(SETTINGS, "# Rate", "site")
    )
    with TestClient(create_app(folder / "site.sqlite", now=lambda: NOON)) as client:
        for person in annotators_of(made):
            for _ in NAMES:
                prefer(client, {"authorization": f"Bearer {person['token']}"})
    return folder / "site.sqlite"


def prefer(client: TestClient, headers: dict[str, str]) -> None:
    task = client.post("/api/v1/claim", headers=headers).json()["task"]
    shown = cast("list[str]", task["responses"])
    levels = [{**SCORES, "helpfulness": 3 if text == BETTER else 1} for text in shown]
    comparison = {"strength": 2 if shown[1] == BETTER else -2, "justification": "it says more of it"}
    said: Fields = {"lease": task["lease"], "responses": levels, "comparison": comparison}
    sent = client.post("/api/v1/submit", headers=headers, json=said)
    assert sent.status_code == 200, sent.text


def exported(site: Path, out: Path) -> tuple[Path, Path]:
    export(site, out=out, project_id="site")
    return out, out.with_name(f"{out.stem}-preferences.jsonl")


def preferred(preferences: Path, ratings: Path) -> set[object]:
    """Return the texts that the rows of an export say are better."""
    texts = {row["response_id"]: row["response"] for row in read_rows(ratings)}
    found = set()
    for row in read_rows(preferences):
        task = str(row["task_id"])
        (other,) = {f"{task}-0", f"{task}-1"} - {row["first_response"]}
        found.add(texts[row["first_response"] if cast("int", row["strength"]) < 0 else other])
    return found


def test_cleaned_preferences_are_for_the_response_that_annotators_preferred(tmp_path: Path) -> None:
    """Sides are drawn anew for each annotator, so that the dataset has some pairs in either order."""
    ratings, preferences = exported(rated_site(tmp_path), tmp_path / "out" / "ratings.jsonl")
    clean.run(ratings, out=tmp_path / "clean", rules=RULES, seed=0, preferences=preferences)
    rows = list(read_rows(tmp_path / "clean" / "preference" / "preference.jsonl.gz"))
    better = [row["response_1"] if cast("int", row["preference_strength"]) < 0 else row["response_2"] for row in rows]
    assert better == [BETTER] * len(NAMES)


def test_preferences_come_in_again_for_the_same_response(tmp_path: Path) -> None:
    ratings, preferences = exported(rated_site(tmp_path), tmp_path / "out" / "ratings.jsonl")
    other = tmp_path / "other.sqlite"
    init(*tables(tmp_path / "empty", "u"), out=other, annotators=1, project=NewProject(SETTINGS, "# Rate", "site"))
    add_ratings(other, ratings, preferences=preferences)
    again, preferences_again = exported(other, tmp_path / "again" / "ratings.jsonl")
    assert preferred(preferences, ratings) == {BETTER}
    assert preferred(preferences_again, again) == {BETTER}


def test_a_preference_that_counts_from_a_response_of_no_task_is_refused(tmp_path: Path) -> None:
    ratings, preferences = exported(rated_site(tmp_path), tmp_path / "out" / "ratings.jsonl")
    rows = [dict(row) for row in read_rows(preferences)]
    write(preferences, [{**rows[0], "first_response": "nowhere"}, *rows[1:]])
    site = tmp_path / "other.sqlite"
    init(*tables(tmp_path / "empty", "u"), out=site, annotators=1, project=NewProject(SETTINGS, "# Rate", "site"))
    with pytest.raises(DataError, match="task 'p0' has no response 'nowhere'"):
        clean.run(ratings, out=tmp_path / "clean", rules=RULES, seed=0, preferences=preferences)
    with pytest.raises(DataError, match="task 'p0' counts from response 'nowhere', which the task has not"):
        add_ratings(site, ratings, preferences=preferences)
