"""A run is killed inside each of its stages, and goes on; an interrupted one says so."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_loop import CONFIG, STAGES, data_files, partials, rows_of, start_steersman, tiny_settings

from steersman.pipeline import run

WAIT_SECONDS = 240.0
ATTEMPTS = 4


def wait_until(is_true: Callable[[], bool], *, process: "subprocess.Popen[str]") -> None:
    """Wait, looking a thousand times a second, until something is true or the process has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true() and process.poll() is None:
        assert time.monotonic() < deadline, "the run never came so far"
        time.sleep(0.001)


def kill_inside(stage: str, *, out: Path, cache_folder: Path) -> None:
    """Start a run into `out` and kill it while the folder of `stage` is there without its marker."""
    for _ in range(ATTEMPTS):
        shutil.rmtree(out, ignore_errors=True)
        with start_steersman("run", CONFIG, "--out", out, cache_folder=cache_folder) as process:
            wait_until((out / stage / "config.yaml").exists, process=process)
            process.kill()
            process.communicate()
        if process.returncode == -signal.SIGKILL and not (out / stage / "done").exists():
            return
    pytest.fail(f"{stage} was over each time before it could be killed")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_inside_a_stage_goes_on(stage: str, finished_run: Path, tmp_path: Path, loop_cache: Path) -> None:
    out = tmp_path / "killed"
    kill_inside(stage, out=out, cache_folder=loop_cache)
    before = STAGES[: STAGES.index(stage)]
    markers = {each: (out / each / "done").stat().st_mtime_ns for each in before}
    num_logged = len(rows_of(out / "metrics.jsonl")) if before else 0
    run.run(tiny_settings(), out=out)
    assert {each: (out / each / "done").stat().st_mtime_ns for each in before} == markers
    reused = {str(row["stage"]) for row in rows_of(out / "metrics.jsonl")[num_logged:] if row["reused"]}
    assert reused == set(before)
    assert data_files(out) == data_files(finished_run)
    assert (partials(out), (out / "done").is_file()) == ([], True)


@pytest.mark.slow
def test_an_interrupted_run_exits_with_130_and_one_line(tmp_path: Path, loop_cache: Path) -> None:
    out = tmp_path / "interrupted"
    with start_steersman("run", CONFIG, "--out", out, cache_folder=loop_cache) as process:
        wait_until((out / "responses" / "config.yaml").exists, process=process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "steersman: interrupted; the same command goes on where it stopped"
    assert "Traceback" not in said
    assert not (out / "done").exists()
    assert partials(out) == []
