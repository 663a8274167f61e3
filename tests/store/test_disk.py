"""Folders come into place whole, whenever their writer dies, and every refusal of the disk is one clear line."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman.errors import RunError
from steersman.store import disk
from steersman.store.cache import CACHE_VARIABLE

# Replaces the folders 0/set, 1/set ... and dies at folder N before step N of all that it changes in the file system.
DIES_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
from steersman.store import disk

def work(target, steps_left):
    def count(event, _):
        nonlocal steps_left
        if event in {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}:
            steps_left -= 1
            if steps_left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    with disk.whole_folder(target) as folder:
        for name in ("a", "b"):
            (folder / name).write_text("new")
    os._exit(0)

for step in range(len(os.listdir(sys.argv[1]))):
    child = os.fork()
    if child == 0:
        work(Path(sys.argv[1]) / str(step) / "set", step)
    os.waitpid(child, 0)
"""
NUM_STEPS = 20
OLD, NEW = {"a": "old", "b": "old"}, {"a": "new", "b": "new"}


def folder_of(path: Path, content: dict[str, str]) -> Path:
    path.mkdir()
    for name, text in content.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def content_of(folder: Path) -> dict[str, str]:
    return {entry.name: entry.read_text(encoding="utf-8") for entry in sorted(folder.iterdir())}


def fail_to_write(folder: Path) -> None:
    with pytest.raises(ValueError, match="stop"), disk.whole_folder(folder):
        raise ValueError("stop")


@pytest.mark.parametrize(
    "mend", [fail_to_write, lambda folder: disk.remove_partials(folder.parent)], ids=["next writer", "remove_partials"]
)
def test_a_writer_killed_at_any_step_leaves_the_old_folder_or_the_new_one(
    tmp_path: Path, mend: Callable[[Path], None]
) -> None:
    for step in range(NUM_STEPS):
        (tmp_path / str(step)).mkdir()
        folder_of(tmp_path / str(step) / "set", OLD)
    subprocess.run([sys.executable, "-c", DIES_AT_EACH_STEP, str(tmp_path)], check=True)
    for step in range(NUM_STEPS):
        mend(tmp_path / str(step) / "set")
    assert {each.relative_to(tmp_path).parts[1] for each in tmp_path.glob("*/*")} == {"set"}
    found = [content_of(tmp_path / str(step) / "set") for step in range(NUM_STEPS)]
    changed = found.index(NEW)
    assert found == [OLD] * changed + [NEW] * (NUM_STEPS - changed)
    assert 2 < changed < NUM_STEPS - 5


def test_an_old_folder_that_was_set_aside_is_put_back_before_anything_else(tmp_path: Path) -> None:
    folder_of(tmp_path / ".set.aside.partial", OLD)
    with disk.whole_folder(tmp_path / "set"):
        assert content_of(tmp_path / "set") == OLD


def test_the_partial_folder_of_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    with disk.whole_folder(tmp_path / "set") as first:
        fail_to_write(tmp_path / "set")
        (first / "a").write_text("new", encoding="utf-8")
    assert content_of(tmp_path / "set") == {"a": "new"}


def test_a_folder_of_a_longer_name_is_not_taken_for_a_leaving(tmp_path: Path) -> None:
    other = folder_of(tmp_path / ".set.v2.12.0a1b2c3d.partial", OLD)
    fail_to_write(tmp_path / "set")
    assert content_of(other) == OLD


def test_a_folder_that_cannot_be_replaced_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "set", OLD)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith("aside.partial") or target.name.endswith("aside.partial"):
            return rename(path, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunError, match="cannot be written"), disk.whole_folder(tmp_path / "set"):
        pass
    assert (content_of(tmp_path / "set"), len(list(tmp_path.iterdir()))) == (OLD, 1)


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="a file stands where a folder is needed"), disk.whole_folder(tmp_path / "set"):
        pytest.fail("there was nothing to fill")
    assert content_of(tmp_path) == {"set": "mine"}


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    folder_of(tmp_path / "elsewhere", OLD)
    (tmp_path / "set").symlink_to(tmp_path / "elsewhere")
    with disk.whole_folder(tmp_path / "set") as folder:
        (folder / "a").write_text("new", encoding="utf-8")
    assert (content_of(tmp_path / "set"), content_of(tmp_path / "elsewhere")) == ({"a": "new"}, OLD)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["elsewhere", "set"]


def test_the_folder_one_stands_in_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of(tmp_path / "set", OLD))
    with pytest.raises(RunError, match="choose another --out"), disk.whole_folder(Path()) as folder:
        (folder / "a").write_text("new", encoding="utf-8")
    assert (content_of(tmp_path / "set"), len(list(tmp_path.iterdir()))) == (OLD, 1)


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_place_without_a_name_is_no_file(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    with pytest.raises(RunError, match="choose another --out"), disk.renamed_when_whole(Path(place)) as temporary:
        temporary.write_text("x", encoding="utf-8")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["deep"]


@pytest.mark.parametrize("length", [240, 300])
def test_a_name_that_is_too_long_is_explained(length: int, tmp_path: Path) -> None:
    path = tmp_path / ("x" * length)
    for place in (disk.whole_folder, disk.renamed_when_whole):
        with pytest.raises(RunError, match="the name is too long"), place(path) as temporary:
            temporary.write_text("x", encoding="utf-8")
    assert list(tmp_path.iterdir()) == []


def test_any_refusal_of_the_system_names_the_place_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RunError) as error, disk.explained_disk_errors(tmp_path):
        raise OSError(errno.EIO, "Input/output error", "inner")
    assert str(error.value) == f"{tmp_path}: cannot be written (Input/output error: inner); choose another --out"


def test_an_error_that_is_not_of_the_system_passes(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such model"), disk.explained_disk_errors(tmp_path):
        raise OSError("no such model")


def test_a_refusal_about_the_cache_names_the_variable_that_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for cache, words in ((tmp_path / "file", f"set {CACHE_VARIABLE} to another folder"), (tmp_path / "c", "--out")):
        monkeypatch.setenv(CACHE_VARIABLE, str(cache))
        with pytest.raises(RunError, match=f"a file stands where a folder is needed; .*{words}"):
            disk.whole_folder(tmp_path / "file" / "models" / "m").__enter__()
