"""A run folder is finished or redone, and belongs to one process at a time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from steersman.errors import RunError
from steersman.store import runs

HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from steersman.store.runs import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
# Works in the folders 0, 1, 2 ... and dies in folder N before step N of all that it changes in the file system.
DIES_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
from steersman.store import runs

def work(folder, steps_left):
    def count(event, _):
        nonlocal steps_left
        if event in {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}:
            steps_left -= 1
            if steps_left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    runs.put_back(folder, keep=("memory",))
    if sys.argv[2] == "redo":
        with runs.attempt(folder, keep=("memory",)):
            (folder / "table").write_text("new")
            runs.finish(folder, "new", result={})
    os._exit(0)

for step in range(len(os.listdir(sys.argv[1]))):
    child = os.fork()
    if child == 0:
        work(Path(sys.argv[1]) / str(step), step)
    os.waitpid(child, 0)
"""
NUM_STEPS = 40
ASKED = {"stage": "reward", "epochs": 2, "inputs": {"train": "ab12"}}


def finish(folder: Path, identity: dict[str, object]) -> None:
    runs.start(folder)
    runs.finish(folder, runs.fingerprint(identity), result={"steps": 7})


def test_the_order_of_keys_does_not_change_a_fingerprint() -> None:
    assert runs.fingerprint(ASKED) == runs.fingerprint(dict(reversed(ASKED.items())))


@pytest.mark.parametrize("changed", [{"epochs": 3}, {"inputs": {"train": "cd34"}}, {"seed": 0}])
def test_a_run_is_redone_when_what_was_asked_changes(tmp_path: Path, changed: dict[str, object]) -> None:
    finish(tmp_path, ASKED)
    assert not runs.is_finished(tmp_path, runs.fingerprint(ASKED | changed))


def test_a_run_is_redone_when_the_format_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path, ASKED)
    monkeypatch.setattr(runs, "FORMAT_VERSION", runs.FORMAT_VERSION + 1)
    assert not runs.is_finished(tmp_path, runs.fingerprint(ASKED))


def test_a_finished_run_is_known_and_gives_its_result(tmp_path: Path) -> None:
    finish(tmp_path, ASKED)
    assert (runs.is_finished(tmp_path, runs.fingerprint(ASKED)), runs.read_result(tmp_path)) == (True, {"steps": 7})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"fingerprint": 3}'])
def test_a_damaged_marker_does_not_make_a_run_finished(tmp_path: Path, text: str) -> None:
    (tmp_path / runs.DONE_FILE).write_text(text, encoding="utf-8")
    assert not runs.is_finished(tmp_path, runs.fingerprint(ASKED))


@pytest.mark.parametrize("text", [None, "", "[]", '{"fingerprint": "x"}'])
def test_the_result_of_an_unfinished_run_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / runs.DONE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(RunError):
        runs.read_result(tmp_path)


def test_a_file_in_place_of_a_run_is_no_finished_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not runs.is_finished(tmp_path / "file", runs.fingerprint(ASKED))


def test_starting_empties_the_folder_but_for_what_is_kept(tmp_path: Path) -> None:
    finish(tmp_path, ASKED)
    for name in ("checkpoint", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").touch()
    (tmp_path / ".half.partial").touch()
    runs.start(tmp_path, keep=("checkpoint",))
    assert sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")) == [
        "checkpoint",
        "checkpoint/inside",
    ]


def finished_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "inner").mkdir()
    for name in ("table", "inner/table", "memory"):
        (folder / name).write_text("old", encoding="utf-8")
    runs.finish(folder, "old", result={})
    return folder


def content_of(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the fingerprint of a finished folder and the text of every other file in it."""
    texts = {str(each.relative_to(folder)): each.read_text("utf-8") for each in folder.rglob("*") if each.is_file()}
    return json.loads(texts.pop(runs.DONE_FILE))["fingerprint"], texts


OLD = ("old", {"table": "old", "inner/table": "old", "memory": "old"})
NEW = ("new", {"table": "new", "memory": "old"})


def die_at_each_step(base: Path, *, action: str) -> None:
    subprocess.run([sys.executable, "-c", DIES_AT_EACH_STEP, str(base), action], check=True)


def test_a_result_is_the_old_one_or_the_new_one_whenever_its_maker_is_killed(tmp_path: Path) -> None:
    folders = [finished_folder(tmp_path / str(step)) for step in range(NUM_STEPS)]
    die_at_each_step(tmp_path, action="redo")
    # what bears the marker before it is mended is whole
    assert all(content_of(folder) in (OLD, NEW) for folder in folders if runs.is_finished(folder, "old"))
    for folder in folders:
        runs.put_back(folder, keep=("memory",))
    found = [content_of(folder) for folder in folders]
    changed = found.index(NEW)
    assert found == [OLD] * changed + [NEW] * (NUM_STEPS - changed)
    assert 5 < changed < NUM_STEPS - 10


def test_putting_back_may_be_killed_at_any_step(tmp_path: Path) -> None:
    folders = [half_done_again(finished_folder(tmp_path / str(step))) for step in range(NUM_STEPS)]
    die_at_each_step(tmp_path, action="put back")
    assert not runs.is_finished(folders[0], "old")
    assert content_of(folders[-1]) == OLD
    for folder in folders:
        runs.put_back(folder, keep=("memory",))
    assert [content_of(folder) for folder in folders] == [OLD] * NUM_STEPS


def half_done_again(folder: Path) -> Path:
    """Leave `folder` as a process does that dies while it makes a new result."""
    copy = folder.with_name(f"{folder.name}-copy")
    with runs.attempt(folder, keep=("memory",)):
        (folder / "table").write_text("half", encoding="utf-8")
        (folder / "more").mkdir()
        shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    return copy.rename(folder)


def fail(folder: Path) -> None:
    with runs.attempt(folder, keep=("memory",)):
        assert sorted(each.name for each in folder.iterdir() if each.name != ".old") == ["memory"]
        raise RunError("stop")


def test_a_failing_attempt_gives_the_finished_result_back(tmp_path: Path) -> None:
    folder = finished_folder(tmp_path / "run")
    with pytest.raises(RunError, match="stop"):
        fail(folder)
    assert content_of(folder) == OLD


def test_a_failing_attempt_gives_back_no_unfinished_one(tmp_path: Path) -> None:
    (tmp_path / "half").touch()
    with pytest.raises(RunError, match="stop"), runs.attempt(tmp_path):
        raise RunError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["thesis.txt", ".git", ".lock", "done", "lineage.json"])
def test_a_folder_without_a_mark_of_ours_is_not_even_locked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"stage": "mine"}', encoding="utf-8")
    with pytest.raises(RunError, match=rf"holds what steersman did not write \({name}\)"), runs.locked(tmp_path):
        pytest.fail("it was locked")
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("mark", [".lock", "done"])
def test_a_folder_with_a_mark_of_ours_is_locked(tmp_path: Path, mark: str) -> None:
    folder = finished_folder(tmp_path / "run")
    if mark == ".lock":
        (folder / "done").rename(folder / mark)
        (folder / mark).write_bytes(b"")
    with runs.locked(folder):
        runs.refuse_foreign(folder, stage="reward")


def test_a_folder_that_holds_other_results_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "prompts").mkdir()
    finish(tmp_path / "prompts", ASKED)
    with pytest.raises(RunError, match=r"holds other results \(prompts\)"):
        runs.refuse_foreign(tmp_path, stage="prompts")


def test_what_was_added_to_a_finished_result_is_not_emptied(tmp_path: Path) -> None:
    folder = finished_folder(tmp_path / "run")
    (folder / runs.REPORT_FILE).touch()
    runs.refuse_foreign(folder, stage="reward")
    (folder / "NOTES.md").touch()
    with pytest.raises(RunError, match=r"did not write \(NOTES\.md\); move it away or choose another --out"):
        runs.refuse_foreign(folder, stage="reward")
    runs.refuse_foreign(folder, stage="reward", keep=("NOTES.md",))


def test_starting_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link").symlink_to(tmp_path / "elsewhere")
    runs.start(tmp_path / "run")
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_a_folder_held_by_another_process_is_refused_until_that_process_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS_THE_LOCK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another steersman is working there"), runs.locked(tmp_path):
            pass
        other.kill()
    with runs.locked(tmp_path):
        pass


def test_a_lock_survives_the_emptying_of_its_folder(tmp_path: Path) -> None:
    with runs.locked(tmp_path):
        runs.start(tmp_path)
        with pytest.raises(RunError, match="another steersman"), runs.locked(tmp_path):
            pass
