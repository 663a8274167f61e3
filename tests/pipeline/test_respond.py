"""Responses: two per prompt, remembered batch by batch, the same after an interruption."""

from pathlib import Path

import pytest
from tiny_loop import rows_of, tiny_settings

from steersman.config.sections import ResponsesSettings
from steersman.errors import DataError
from steersman.pipeline import respond
from steersman.pipeline.respond import MEMORY_FOLDER, RESPONSES_FILE
from steersman.store.files import write_jsonl
from steersman.store.lineage import read_lineage

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")


def settings(*overrides: str) -> ResponsesSettings:
    return tiny_settings("responses.batch_size=2", "responses.max_new_tokens=4", *overrides).responses


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows: list[dict[str, object]] = [
        {
            "prompt_id": f"p{number}",
            "messages": [{"role": "user", "content": f"question {'long ' * number}?"}],
            "source": "mine",
            "licence": None,
        }
        for number in range(5)
    ]
    write_jsonl(tmp_path / "in" / "prompts.jsonl", rows)
    return tmp_path / "in" / "prompts.jsonl"


def test_responses_stand_in_the_order_of_their_prompts(prompts: Path, tmp_path: Path) -> None:
    respond.run(prompts, settings(), seed=1, out=tmp_path / "out")
    rows = rows_of(tmp_path / "out" / RESPONSES_FILE)
    assert [row["response_id"] for row in rows] == [f"p{number}-{letter}" for number in range(5) for letter in "ab"]


def test_an_interrupted_table_goes_on_with_the_batches_it_has(prompts: Path, tmp_path: Path) -> None:
    respond.run(prompts, settings(), seed=1, out=tmp_path / "whole")
    respond.run(prompts, settings(), seed=1, out=tmp_path / "cut")
    batches = sorted((tmp_path / "cut" / MEMORY_FOLDER).iterdir())
    kept = {each: each.stat().st_mtime_ns for each in batches[1:]}
    (tmp_path / "cut" / "done").unlink()
    batches[0].unlink()
    respond.run(prompts, settings(), seed=1, out=tmp_path / "cut")
    assert {each: each.stat().st_mtime_ns for each in batches[1:]} == kept
    tables = [(tmp_path / name / RESPONSES_FILE).read_bytes() for name in ("whole", "cut")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("change", ["responses.max_new_tokens=5", "responses.batch_size=3"])
def test_batches_of_other_settings_are_not_taken_over(prompts: Path, tmp_path: Path, change: str) -> None:
    respond.run(prompts, settings(), seed=1, out=tmp_path / "out")
    changed = respond.run(prompts, settings(change), seed=1, out=tmp_path / "out")
    fresh = respond.run(prompts, settings(change), seed=1, out=tmp_path / "fresh")
    assert not changed.is_reused
    assert changed.result == fresh.result
    assert rows_of(tmp_path / "out" / RESPONSES_FILE) == rows_of(tmp_path / "fresh" / RESPONSES_FILE)


def test_the_lineage_names_prompts_and_models(prompts: Path, tmp_path: Path) -> None:
    respond.run(prompts, settings(), seed=1, out=tmp_path / "out")
    lineage = read_lineage(tmp_path / "out")
    found = [(each.work, each.role) for each in lineage.ancestors]
    assert found == [("mine", "prompts"), ("tiny-random", "responses")]
    assert not lineage.simulated


def test_a_missing_table_of_prompts_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make it with steersman prompts"):
        respond.run(tmp_path / "none.jsonl", settings(), seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
