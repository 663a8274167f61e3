"""A stage is skipped when its folder holds what was asked for, and redone, from an empty folder, when it does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from steersman.config.sections import CrowdSettings
from steersman.errors import DataError, RunError
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage
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


def failing(stage: Stage) -> None:
    """Run a stage that writes half of its file and fails."""

    def fail(folder: Path) -> Product:
        (folder / "table.jsonl").write_text("half", encoding="utf-8")
        raise RunError("in the middle")

    with pytest.raises(RunError, match="in the middle"):
        run_stage(stage, fail)


def test_a_stage_whose_maker_fails_is_not_taken_for_finished(source: Path) -> None:
    failing(stage_of(source))
    assert not (source.parent / "out" / "done").exists()
    assert not made(stage_of(source)).is_reused


def test_a_finished_result_outlives_an_attempt_that_fails(source: Path) -> None:
    made(stage_of(source))
    before = content_of(source.parent / "out")
    failing(stage_of(source, seed=2))
    assert content_of(source.parent / "out") == before
    assert made(stage_of(source)).is_reused
    assert made(stage_of(source, seed=2)).result == {"seed": 2}


def set_aside(out: Path) -> None:
    """Leave a finished result where an attempt that is killed while it replaces it leaves it."""
    names = [each.name for each in out.iterdir() if each.name != ".lock"]
    (out / ".old").mkdir()
    for name in names:
        (out / name).rename(out / ".old" / name)
    (out / "table.jsonl").write_text("half", encoding="utf-8")


def test_a_finished_result_that_a_killed_attempt_left_aside_is_found_again(source: Path) -> None:
    made(stage_of(source))
    out = source.parent / "out"
    set_aside(out)
    assert made(stage_of(source)).is_reused
    assert (out / "table.jsonl").read_text(encoding="utf-8") == "1\n"


def careful(stage: Stage) -> Stage:
    return replace(stage, replaces=False)


def test_a_stage_that_does_not_replace_is_made_once_and_again_after_a_failure(source: Path) -> None:
    failing(careful(stage_of(source)))
    assert [made(careful(stage_of(source))).is_reused for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotators": 13}, "in annotators; "),
        ({"seed": 2}, "in what it was made from; "),
        ({}, "content of 'input'; "),
    ],
)
@pytest.mark.parametrize("is_aside", [False, True])
def test_a_finished_result_that_differs_is_refused_with_what_differs(
    source: Path, change: dict[str, int], words: str, is_aside: bool
) -> None:
    made(stage_of(source))
    if is_aside:
        set_aside(source.parent / "out")
    if not change:
        source.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(RunError, match=f"holds a finished result that differs .*{words}.* or replace it with --force"):
        made(careful(stage_of(source, **change)))
    assert read_lineage(source.parent / "out").seed == 1
    assert made(stage_of(source, **change)).is_reused is False


def test_what_decides_no_result_is_not_told_as_a_difference(source: Path) -> None:
    made(replace(stage_of(source), places=("annotators",)))
    with pytest.raises(RunError, match="differs from what is asked for in what it was made from"):
        made(careful(replace(stage_of(source, annotators=13, seed=2), places=("annotators",))))


@pytest.mark.parametrize("interruption", [RunError("no"), KeyboardInterrupt()])
def test_an_attempt_that_made_nothing_leaves_no_folder(source: Path, interruption: BaseException) -> None:
    def refuse(_: Path) -> Product:
        raise interruption

    stage = replace(stage_of(source), folder=source.parent / "runs" / "first", resumes=True)
    with pytest.raises(type(interruption)):
        run_stage(stage, refuse)
    assert [each.name for each in source.parent.iterdir()] == [source.name]


def test_an_attempt_that_made_something_keeps_its_folder(source: Path) -> None:
    failing(stage_of(source))
    assert (source.parent / "out" / "table.jsonl").read_text(encoding="utf-8") == "half"


def test_a_folder_that_was_there_before_a_refused_attempt_stays(source: Path) -> None:
    (source.parent / "out").mkdir()

    def refuse(_: Path) -> Product:
        raise RunError("no")

    with pytest.raises(RunError):
        run_stage(stage_of(source), refuse)
    assert (source.parent / "out").is_dir()


def test_an_outdated_stage_starts_from_an_empty_folder_but_for_what_it_keeps(source: Path) -> None:
    made(stage_of(source))
    (source.parent / "out" / "memory").write_text("old", encoding="utf-8")
    kept = replace(stage_of(source, seed=2), keep=("memory",))
    found: list[set[str]] = []

    def look(folder: Path) -> Product:
        found.append({each.name for each in folder.iterdir() if not each.name.startswith(".")})
        return product()

    run_stage(kept, look)
    assert found == [{"memory", "config.yaml"}]


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def is_refused(stage: Stage, *, words: str) -> None:
    """Fail the test unless `stage` is refused with `words` and nothing in its folder is touched."""
    before = content_of(stage.folder)
    with pytest.raises(RunError, match=words):
        made(stage)
    assert content_of(stage.folder) == before


@pytest.mark.parametrize("name", ["thesis.txt", "photos/one.jpg", ".git/config", ".lock", "done", "lineage.json"])
def test_a_folder_of_other_files_is_not_emptied(source: Path, name: str) -> None:
    path = source.parent / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}", encoding="utf-8")
    is_refused(stage_of(source), words="holds what steersman did not write")


@pytest.mark.parametrize("is_done", [True, False])
def test_the_result_of_another_stage_is_not_emptied(source: Path, is_done: bool) -> None:
    made(replace(stage_of(source), name="other"))
    if not is_done:
        (source.parent / "out" / "done").unlink()
    is_refused(stage_of(source), words="holds a result of 'other', not of 'made'")


def test_a_run_is_not_emptied_for_one_of_its_stages(source: Path) -> None:
    made(replace(stage_of(source), folder=source.parent / "out" / "prompts"))
    (source.parent / "out" / ".lock").touch()
    is_refused(stage_of(source), words=r"holds other results \(prompts\)")


def test_what_a_user_added_to_a_result_is_not_emptied(source: Path) -> None:
    made(stage_of(source))
    (source.parent / "out" / "NOTES.md").write_text("mine", encoding="utf-8")
    is_refused(stage_of(source, seed=2), words=r"did not write \(NOTES.md\)")
    assert made(stage_of(source)).is_reused


@pytest.mark.parametrize("place", ["out/table.jsonl", "out", "link", "out/link", "linked/table.jsonl"])
def test_a_stage_does_not_empty_the_folder_it_reads_from(source: Path, place: str) -> None:
    made(stage_of(source))
    base = source.parent
    (base / "link").symlink_to(base / "out" / "table.jsonl")
    (base / "linked").symlink_to(base / "out")
    if place == "out/link":
        (base / "out" / "link").symlink_to(source)
    is_refused(replace(stage_of(source), inputs={"input": base / place}), words="which this stage reads")


def test_a_stage_may_read_what_it_keeps(source: Path) -> None:
    made(stage_of(source))
    memory = source.parent / "out" / "memory"
    memory.write_text("old", encoding="utf-8")
    assert not made(replace(stage_of(source), inputs={"input": memory}, keep=("memory",))).is_reused
    assert memory.read_text(encoding="utf-8") == "old"


def write_origin(folder: Path, *, seconds: float = 1.0, licence: str = "CC0-1.0", simulated: bool = False) -> None:
    """Write a lineage into `folder`, as the stage before does."""
    ancestors = (replace(ANCESTOR, licence=licence),)
    write_lineage(folder, Lineage("x", "prompts", "2024-01-01", seconds, 1, "0", {}, ancestors, simulated))


@pytest.mark.parametrize("file", ["upstream/table.jsonl", "upstream/checkpoint/weights"])
@pytest.mark.parametrize(("licence", "simulated"), [("MIT", False), ("CC0-1.0", True)])
def test_a_corrected_lineage_of_an_input_redoes_a_stage(source: Path, file: str, licence: str, simulated: bool) -> None:
    path, upstream = source.parent / file, source.parent / "upstream"
    path.parent.mkdir(parents=True)
    path.write_text("x", encoding="utf-8")
    stage = replace(stage_of(source), inputs={"input": path.parent if path.name == "weights" else path})
    write_origin(upstream)
    made(stage)
    write_origin(upstream, seconds=2.0)
    assert made(stage).is_reused
    write_origin(upstream, licence=licence, simulated=simulated)
    assert not made(stage).is_reused


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
