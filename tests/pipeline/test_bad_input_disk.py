"""A full or read-only disk ends with exit code 2 and one clear line; nothing half-written is left."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import yaml
from tiny_loop import CONFIG, partials, rows_of, stage_files, steersman

from steersman.errors import EXIT_USER_INPUT
from steersman.store.cache import CACHE_VARIABLE
from steersman.store.files import write_jsonl

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Capture = pytest.CaptureFixture[str]


@contextmanager
def small_disk(folder: Path, *, options: str) -> Iterator[Path]:
    """Mount a disk in memory at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only the superuser can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True, check=True)


def train_config(finished_run: Path, folder: Path) -> Path:
    loop = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    data = {name: str(finished_run / "clean" / f"{name}.jsonl.gz") for name in ("train", "validation")}
    config = {"seed": 1, "data": data, "reward": loop["reward"]}
    (folder / "train.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "train.yaml"


def test_a_disk_that_fills_up_in_the_middle_of_a_stage(tmp_path: Path, capfd: Capture) -> None:
    with small_disk(tmp_path / "disk", options="size=40k") as disk:
        said = steersman(capfd, "run", CONFIG, "--out", disk / "run")
        assert said.code == EXIT_USER_INPUT
        assert "no space left on the disk; free some space or choose another --out" in said.fault
        finished = [each for each in ("prompts", "responses", "ratings") if (disk / "run" / each / "done").is_file()]
        assert len(finished) < 3
        assert (partials(disk), (disk / "run" / "done").exists()) == ([], False)


def test_a_run_goes_on_once_there_is_space(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    with small_disk(tmp_path / "disk", options="size=40k") as disk:
        assert steersman(capfd, "run", CONFIG, "--out", disk / "run").code == EXIT_USER_INPUT
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True, capture_output=True)
        said = steersman(capfd, "run", CONFIG, "--out", disk / "run", "--json")
        assert said.code == 0, said.err
        assert rows_of(disk / "run" / "evaluate" / "samples.jsonl") == rows_of(
            finished_run / "evaluate" / "samples.jsonl"
        )


# the smaller one has no room for the best weights either, which are then held in memory
@pytest.mark.parametrize("size", ["24k", "64k"])
def test_a_disk_that_fills_up_while_a_model_is_saved(
    size: str, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    config = train_config(finished_run, tmp_path)
    with small_disk(tmp_path / "disk", options=f"size={size}") as disk:
        said = steersman(capfd, "train", "reward", config, "--out", disk / "run")
        assert said.code == EXIT_USER_INPUT
        assert "checkpoint" in said.fault
        assert "disk" in said.fault
        names = {each.name for each in disk.rglob("*")}
        assert not names & {"done", "checkpoint", "result.json"}
        assert partials(disk) == []


def test_a_cache_on_a_full_disk_is_told(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", options="size=12k") as disk:
        monkeypatch.setenv(CACHE_VARIABLE, str(disk / "cache"))
        said = steersman(capfd, "run", CONFIG, "--out", tmp_path / "run")
        assert said.code == EXIT_USER_INPUT
        assert str(disk / "cache") in said.fault
        assert [each for each in (disk / "cache" / "models").iterdir() if each.is_dir()] == []


@pytest.mark.parametrize("name", ["scores.jsonl", "scores.parquet"])
def test_a_table_that_does_not_fit_leaves_the_old_one(
    name: str, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    rows = rows_of(finished_run / "clean" / "train.jsonl.gz")
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": f"question {n}", "response": "x"} for n in range(4 * len(rows))])
    with small_disk(tmp_path / "disk", options="size=8k") as disk:
        (disk / name).write_text("old\n", encoding="utf-8")
        command = ("score", finished_run / "reward", tmp_path / "rows.jsonl", "--out", disk / name)
        said = steersman(capfd, *command)
        assert (said.code, "no space left" in said.fault) == (EXIT_USER_INPUT, True)
        assert (disk / name).read_text(encoding="utf-8") == "old\n"
        assert [each.name for each in disk.iterdir()] == [name]


@pytest.mark.parametrize("verb", ["run", "prompts", "clean", "train", "score", "simulate", "init", "report"])
def test_a_place_that_may_not_be_written_is_told(verb: str, finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    commands: dict[str, tuple[object, ...]] = {
        "run": ("run", CONFIG),
        "prompts": ("prompts",),
        "clean": ("clean", finished_run / "ratings" / "ratings.jsonl"),
        "train": ("train", "reward", train_config(finished_run, tmp_path)),
        "score": ("score", finished_run / "reward", finished_run / "clean" / "train.jsonl.gz"),
        "simulate": ("annotate", "simulate", *tables),
        "init": ("annotate", "init", *tables, "--annotators", 5),
        "report": ("report", finished_run),
    }
    with small_disk(tmp_path / "disk", options="ro") as disk:
        said = steersman(capfd, *commands[verb], "--out", disk / "out")
    assert said.code == EXIT_USER_INPUT
    assert "may not be written" in said.fault
    assert "check its permissions" in said.fault


def test_a_full_disk_is_told_also_where_none_can_be_mounted(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same promise on a machine where tests may not mount: the operating system's own call says it is full."""

    def full(_descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = steersman(capfd, "prompts", "--out", tmp_path / "out")
    assert (said.code, "no space left on the disk" in said.fault) == (EXIT_USER_INPUT, True)
    assert not (tmp_path / "out").exists()


def test_a_failing_run_leaves_a_finished_one_beside_it_alone(
    finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    before = stage_files(finished_run)
    with small_disk(tmp_path / "disk", options="size=8k") as disk:
        steersman(capfd, "run", CONFIG, "--out", disk / "run")
    assert stage_files(finished_run) == before
