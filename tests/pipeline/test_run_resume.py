"""A run is killed inside each of its stages, and goes on; an interrupted one says so."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_loop import (
    CONFIG,
    STAGES,
    data_files,
    fork_steersman,
    partials,
    rows_of,
    stage_files,
    start_steersman,
    tiny_settings,
)

from steersman.pipeline import run

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

WAIT_SECONDS = 240.0
ATTEMPTS = 4


def wait_until(is_true: Callable[[], bool], *, is_running: Callable[[], bool]) -> None:
    """Wait, looking a thousand times a second, until something is true or the process has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true() and is_running():
        assert time.monotonic() < deadline, "the run never came so far"
        time.sleep(0.001)


def kill_inside(stage: str, *, finished: Path, folder: Path, cache_folder: Path) -> Path:
    """Return a run in `folder` that had finished everything before `stage` and was killed inside it.

    The run is a copy of `finished` without `stage` and what comes after it, so that it comes to `stage` at once.
    """
    out = folder / finished.name
    for _ in range(ATTEMPTS):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(finished, out)
        for later in STAGES[STAGES.index(stage) :]:
            shutil.rmtree(out / later)
        process = fork_steersman("run", CONFIG, "--out", out.name, cache_folder=cache_folder, where=folder)
        wait_until((out / stage / "config.yaml").exists, is_running=process.is_alive)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL and not (out / stage / "done").exists():
            return out
    pytest.fail(f"{stage} was over each time before it could be killed")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_inside_a_stage_goes_on(
    stage: str, finished_run: Path, tmp_path: Path, loop_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = kill_inside(stage, finished=finished_run, folder=tmp_path, cache_folder=loop_cache)
    assert not (out / "done").exists()
    before = STAGES[: STAGES.index(stage)]
    untouched = stage_files(finished_run, stages=before)
    num_logged = len(rows_of(out / "metrics.jsonl"))
    monkeypatch.chdir(tmp_path)
    run.run(tiny_settings(), out=Path(out.name))
    assert stage_files(out, stages=before) == untouched
    reused = [row["stage"] for row in rows_of(out / "metrics.jsonl")[num_logged:] if row["reused"]]
    assert tuple(reused) == before
    assert data_files(out) == data_files(finished_run)
    assert (partials(out), (out / "done").is_file()) == ([], True)


@pytest.mark.slow
def test_an_interrupted_run_exits_with_130_and_one_line(tmp_path: Path, loop_cache: Path) -> None:
    out = tmp_path / "interrupted"
    with start_steersman("run", CONFIG, "--out", out, cache_folder=loop_cache, where=tmp_path) as process:
        wait_until((out / "responses" / "config.yaml").exists, is_running=lambda: process.poll() is None)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "steersman: interrupted; the same command goes on from what it kept"
    assert "Traceback" not in said
    assert not (out / "done").exists()
    assert partials(out) == []
