"""A stage is skipped when its folder holds what was asked for, and redone, from an empty folder, when it does not."""

from pathlib import Path

import pytest

from steersman.config.sections import CrowdSettings
from steersman.errors import DataError, RunError
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.store.lineage import Ancestor, read_lineage
from steersman.store.runs import locked

ANCESTOR = Ancestor("something", "data", "prompts", "CC0-1.0")


def settings(annotators: int = 12) -> CrowdSettings:
    return CrowdSettings.model_validate({"annotators": annotators})


def product(**result: object) -> Product:
    return Product(result, (ANCESTOR,), simulated=True, notes=("a note",))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "input.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    return path


def stage_of(source: Path, *, seed: int = 1, annotators: int = 12) -> Stage:
    return Stage("made", source.parent / "out", settings(annotators), seed, {"input": source})


def made(stage: Stage) -> Outcome:
    """Run a stage that writes one file and counts its runs."""

    def make(folder: Path) -> Product:
        (folder / "table.jsonl").write_text(f"{stage.seed}\n", encoding="utf-8")
        return product(seed=stage.seed)

    return run_stage(stage, make)


def test_a_stage_is_made_once(source: Path) -> None:
    first, second = made(stage_of(source)), made(stage_of(source))
    assert (first.is_reused, second.is_reused) == (False, True)
    assert first.result == second.result == {"seed": 1}


@pytest.mark.parametrize("change", [{"seed": 2}, {"annotators": 13}])
def test_another_seed_or_setting_redoes_a_stage(source: Path, change: dict[str, int]) -> None:
    made(stage_of(source))
    assert not made(stage_of(source, **change)).is_reused


def test_a_changed_input_redoes_a_stage(source: Path) -> None:
    made(stage_of(source))
    source.write_text('{"a": 1}\n', encoding="utf-8")
    assert not made(stage_of(source)).is_reused


def test_a_stage_whose_maker_fails_is_not_taken_for_finished(source: Path) -> None:
    made(stage_of(source))

    def fail(folder: Path) -> Product:
        (folder / "table.jsonl").write_text("half", encoding="utf-8")
        raise RunError("in the middle")

    with pytest.raises(RunError, match="in the middle"):
        run_stage(stage_of(source, seed=2), fail)
    assert not (source.parent / "out" / "done").exists()
    assert not made(stage_of(source)).is_reused


def test_an_outdated_stage_starts_from_an_empty_folder_but_for_what_it_keeps(source: Path) -> None:
    out = source.parent / "out"
    made(stage_of(source))
    for name in ("old.txt", "memory"):
        (out / name).write_text("old", encoding="utf-8")
    kept = Stage("made", out, settings(), 2, {"input": source}, keep=("memory",))
    found: list[set[str]] = []

    def look(folder: Path) -> Product:
        found.append({each.name for each in folder.iterdir() if not each.name.startswith(".")})
        return product()

    run_stage(kept, look)
    assert found == [{"memory", "config.yaml"}]


def test_the_lineage_of_a_stage_says_what_it_was_made_from(source: Path) -> None:
    made(stage_of(source, seed=7))
    lineage = read_lineage(source.parent / "out")
    # sha256 of "{}\n"
    expected = {"input": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"}
    assert (lineage.name, lineage.stage, lineage.seed, lineage.inputs) == ("out", "made", 7, expected)
    assert (lineage.ancestors, lineage.simulated, lineage.notes) == ((ANCESTOR,), True, ("a note",))


def test_a_missing_input_is_told_before_anything_is_touched(source: Path) -> None:
    source.unlink()
    with pytest.raises(DataError, match=r"input\.jsonl: no such file"):
        made(stage_of(source))
    assert not (source.parent / "out").exists()


def test_a_stage_that_another_process_fills_is_left_alone(source: Path) -> None:
    def look_again(_: Path) -> Product:
        with pytest.raises(RunError, match="another steersman is working there"), locked(source.parent / "out"):
            pytest.fail("the folder was free")
        return product()

    run_stage(stage_of(source), look_again)
