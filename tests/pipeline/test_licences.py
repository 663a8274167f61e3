import json
from pathlib import Path

import pytest

from steersman.errors import DataError
from steersman.pipeline.licences import lineage_folders, run
from steersman.store.lineage import LINEAGE_FILE, Ancestor, Lineage, write_lineage

CLEAR = Ancestor("nvidia/HelpSteer2", "data", "ratings", "CC-BY-4.0")
UNCLEAR = Ancestor("somebody/unheard-of", "model", "base model", None)
FORBIDDEN = Ancestor("openbmb/UltraFeedback", "data", "ratings", "MIT")
CROWD = Ancestor("steersman-simulated-crowd", "annotators", "ratings", None, simulated=True)


def record(
    folder: Path,
    *ancestors: Ancestor,
    simulated: bool = False,
    stage: str = "test",
    inputs: dict[str, str] | None = None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_lineage(
        folder,
        Lineage(
            name=folder.name,
            stage=stage,
            created_at="2025-01-01T00:00:00+00:00",
            seconds=1.0,
            seed=1,
            config_sha256="0",
            inputs=inputs or {},
            ancestors=ancestors,
            simulated=simulated,
        ),
    )
    return folder


def file_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.safetensors"
    file.write_bytes(b"")
    return file


def test_the_result_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    assert set(run(record(tmp_path / "data", CLEAR))) == {"commercial_use", "reasons", "ancestors", "simulated"}


def test_the_result_is_json(tmp_path: Path) -> None:
    result = run(record(tmp_path / "data", CLEAR, FORBIDDEN))
    assert json.loads(json.dumps(result)) == result


def test_an_ancestor_is_told_in_full(tmp_path: Path) -> None:
    ancestors = run(record(tmp_path / "data", UNCLEAR))["ancestors"]
    assert ancestors == [
        {
            "work": "somebody/unheard-of",
            "kind": "model",
            "role": "base model",
            "licence": None,
            "verdict": "unclear",
            "reason": "somebody/unheard-of: no licence is known",
            "simulated": False,
            "via": ["somebody/unheard-of"],
        }
    ]


def test_a_run_answers_for_all_its_stages(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR)
    record(demo / "reward", UNCLEAR)
    record(demo / "align", FORBIDDEN)
    assert run(demo)["commercial_use"] == "forbidden"


def test_a_run_that_has_not_written_its_own_lineage_yet_answers_for_its_stages(tmp_path: Path) -> None:
    record(tmp_path / "demo" / "clean", CLEAR)
    assert run(tmp_path / "demo")["commercial_use"] == "clear"


def test_a_finished_run_does_not_answer_for_what_another_run_left_in_its_folder(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR, stage="run", inputs={"labels": "1", "clean": "2"})
    record(demo / "labels", CLEAR)
    record(demo / "clean", CLEAR)
    record(demo / "ratings", FORBIDDEN, CROWD, simulated=True)
    result = run(demo)
    assert (result["commercial_use"], result["simulated"]) == ("clear", False)


def test_what_a_killed_attempt_left_aside_does_not_answer_for_a_stage(tmp_path: Path) -> None:
    stage = record(tmp_path / "demo" / "reward", CLEAR)
    record(stage / ".old", FORBIDDEN, CROWD, simulated=True)
    result = run(stage)
    assert (result["commercial_use"], result["simulated"]) == ("clear", False)


def test_a_finished_run_answers_for_every_stage_it_names(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR, stage="run", inputs={"labels": "1", "clean": "2"})
    record(demo / "clean", FORBIDDEN)
    assert run(demo)["commercial_use"] == "forbidden"


def test_a_lineage_whose_inputs_are_no_names_is_damaged(tmp_path: Path) -> None:
    folder = record(tmp_path / "demo", CLEAR, stage="run")
    text = (folder / LINEAGE_FILE).read_text(encoding="utf-8")
    (folder / LINEAGE_FILE).write_text(text.replace('"inputs": {}', '"inputs": null'), encoding="utf-8")
    with pytest.raises(DataError, match="'inputs' needs names with hashes"):
        run(folder)


def test_a_stage_answers_for_itself_alone(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", FORBIDDEN)
    assert run(record(demo / "clean", CLEAR))["commercial_use"] == "clear"


def test_one_ancestor_of_several_stages_is_told_once(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR)
    record(demo / "clean", CLEAR)
    ancestors = run(demo)["ancestors"]
    assert isinstance(ancestors, list)
    assert len(ancestors) == 1


def test_a_checkpoint_takes_the_lineage_of_its_stage(tmp_path: Path) -> None:
    stage = record(tmp_path / "demo" / "reward", CLEAR)
    (stage / "checkpoint").mkdir()
    assert lineage_folders(stage / "checkpoint") == [stage.resolve()]


def test_a_file_takes_the_nearest_lineage_above_it(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", FORBIDDEN)
    stage = record(demo / "reward", CLEAR)
    assert lineage_folders(file_in(stage / "checkpoint")) == [stage.resolve()]


def test_a_file_of_a_checkpoint_reaches_its_run(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR)
    assert lineage_folders(file_in(demo / "reward" / "checkpoint")) == [demo.resolve()]


def test_a_lineage_four_folders_up_is_too_far(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR)
    with pytest.raises(DataError, match="up to 3 folders above"):
        lineage_folders(file_in(demo / "reward" / "checkpoint" / "deeper"))


def test_the_search_does_not_leave_a_repository(tmp_path: Path) -> None:
    outer = record(tmp_path / "outer", CLEAR)
    (outer / "repository" / ".git").mkdir(parents=True)
    with pytest.raises(DataError, match="nothing is known"):
        lineage_folders(file_in(outer / "repository" / "models"))


def test_a_path_that_is_not_there_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        run(tmp_path / "none")


def test_a_folder_without_lineage_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(DataError, match=r"docs/licences\.md"):
        run(tmp_path)


def test_a_lineage_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / LINEAGE_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"lineage\.json: not JSON"):
        run(tmp_path)


def test_a_lineage_without_ancestors_is_damaged(tmp_path: Path) -> None:
    (tmp_path / LINEAGE_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not a lineage"):
        run(tmp_path)


def test_one_damaged_stage_spoils_the_answer_for_the_run(tmp_path: Path) -> None:
    demo = record(tmp_path / "demo", CLEAR)
    (record(demo / "reward", CLEAR) / LINEAGE_FILE).write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="reward"):
        run(demo)


def test_an_ancestor_whose_licence_is_no_text_is_damaged(tmp_path: Path) -> None:
    folder = record(tmp_path / "data", CLEAR)
    text = (folder / LINEAGE_FILE).read_text(encoding="utf-8")
    (folder / LINEAGE_FILE).write_text(text.replace('"CC-BY-4.0"', "4"), encoding="utf-8")
    with pytest.raises(DataError, match="needs a name and a licence"):
        run(folder)


def test_simulated_ratings_are_said_without_changing_the_verdict(tmp_path: Path) -> None:
    result = run(record(tmp_path / "data", CLEAR, CROWD))
    assert result["commercial_use"] == "clear"
    assert result["simulated"] is True
    reasons = result["reasons"]
    assert isinstance(reasons, list)
    assert "ratings were simulated: steersman-simulated-crowd" in reasons


def test_a_lineage_marked_as_simulated_is_enough(tmp_path: Path) -> None:
    assert run(record(tmp_path / "data", CLEAR, simulated=True))["simulated"] is True


def test_the_lineage_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "licences.md").read_text(encoding="utf-8")
    (tmp_path / LINEAGE_FILE).write_text(page.split("```json\n")[1].split("```")[0], encoding="utf-8")
    assert run(tmp_path)["commercial_use"] == "clear"
