"""A run folder is finished or redone, and belongs to one process at a time."""

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
