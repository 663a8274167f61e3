"""A lineage comes back as it was written, and a damaged one is refused."""

from pathlib import Path

import pytest

from steersman import __version__
from steersman.errors import DataError
from steersman.store import lineage
from steersman.store.lineage import LINEAGE_FILE, Ancestor, Lineage

PROMPTS = Ancestor("steersman/starter-prompts", "data", "prompts", "CC0-1.0")
MODEL = Ancestor("HuggingFaceTB/SmolLM2-135M-Instruct", "model", "responses", "Apache-2.0", revision="abc")
CROWD = Ancestor("steersman/crowd", "annotators", "ratings", "Apache-2.0", simulated=True)
LINEAGE = Lineage(
    name="demo",
    stage="clean",
    created_at="2025-01-02T03:04:05+00:00",
    seconds=1.5,
    seed=7,
    config_sha256="00",
    inputs={"ratings.jsonl": "11"},
    ancestors=(PROMPTS, MODEL, CROWD),
    simulated=True,
    versions={"steersman": "0.1.0"},
    commit=None,
    notes=("already aggregated",),
)


def test_a_lineage_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lineage.write_lineage(tmp_path, LINEAGE)
    assert lineage.read_lineage(tmp_path) == LINEAGE


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"ancestors": [1]}', '{"ancestors": [], "colour": "red"}'])
def test_a_damaged_lineage_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / LINEAGE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=LINEAGE_FILE):
        lineage.read_lineage(tmp_path)


def test_a_folder_without_lineage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        lineage.read_lineage(tmp_path)


def test_merged_ancestors_appear_once_in_order_of_first_mention() -> None:
    assert lineage.merge_ancestors([(PROMPTS, MODEL), (MODEL, CROWD, PROMPTS)]) == (PROMPTS, MODEL, CROWD)


def test_the_same_work_in_two_roles_is_two_ancestors() -> None:
    base = Ancestor(MODEL.work, MODEL.kind, "base model", MODEL.licence, revision=MODEL.revision)
    assert lineage.merge_ancestors([(MODEL,), (base,)]) == (MODEL, base)


def test_versions_name_steersman_and_what_is_installed() -> None:
    versions = lineage.software_versions()
    assert (versions["steersman"], {"python", "numpy", "polars"} <= set(versions)) == (__version__, True)


def test_a_machine_without_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lineage.source_commit() is None
