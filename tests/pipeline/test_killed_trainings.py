"""`steersman train reward` as a user runs it: killed after a checkpoint, and the same command once more."""

import json
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from shared_trainings import reward_settings, write_inputs
from tiny_loop import object_of, rows_of, start_steersman
from torch.testing import assert_close

from steersman.config.loading import dump_settings
from steersman.engine.launch import launch
from steersman.errors import EXIT_USER_INPUT

WAIT_SECONDS = 240.0
# many more steps than are done by the time that the first checkpoint is seen
LONG = ("--set", "reward.optimiser.epochs=12", "--set", "reward.engine.save_every=3")
NUM_STEPS = 3 * 12
ATTEMPTS = 4
SECONDS_BEFORE = 10_000.0


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a config and the runs of it."""

    folder: Path

    def start(self, run: str, *options: str) -> "subprocess.Popen[str]":
        words = ("train", "reward", "config.yaml", "--out", run, "--json", *LONG, *options)
        return start_steersman(*words, cache_folder=self.folder / "cache", where=self.folder)

    def kill(self, run: str, *options: str) -> None:
        """Train into `run` until a checkpoint is there, and kill the process that was started."""
        for _ in range(ATTEMPTS):
            shutil.rmtree(self.folder / run, ignore_errors=True)
            with self.start(run, *options) as process:
                self._wait_for_checkpoint(run, process=process)
                process.kill()
                # also waits for the processes that it started: they hold the same pipes
                process.communicate(timeout=WAIT_SECONDS)
            if process.returncode == -signal.SIGKILL and not (self.folder / run / "done").exists():
                return
        pytest.fail("the training was over each time before it could be killed")

    def _wait_for_checkpoint(self, run: str, *, process: "subprocess.Popen[str]") -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while process.poll() is None and not self._checkpoints(run):
            assert time.monotonic() < deadline, "no checkpoint was ever written"
            time.sleep(0.001)

    def _checkpoints(self, run: str) -> list[Path]:
        return list((self.folder / run / "resume").glob("step-*/standing.json"))

    def note_time(self, run: str) -> int:
        """Let the newest checkpoint of `run` say that it took long so far, and return its step."""
        standing = max(self._checkpoints(run), key=lambda path: int(path.parent.name.removeprefix("step-")))
        found = object_of(standing)
        standing.write_text(json.dumps(found | {"seconds": SECONDS_BEFORE}), encoding="utf-8")
        return int(str(found["step"]))

    def weights(self, run: str) -> dict[str, torch.Tensor]:
        return dict(load_file(self.folder / run / "checkpoint" / "model.safetensors"))

    def log(self, run: str) -> list[dict[str, object]]:
        return rows_of(self.folder / run / "metrics.jsonl")


def answer(process: "subprocess.Popen[str]") -> dict[str, object]:
    """Return what a command said on stdout, which is one JSON object, once it is done."""
    with process:
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a folder with a config, and with the run `whole` of it by one process that nobody stopped."""
    folder = tmp_path_factory.mktemp("killed")
    write_inputs(folder)
    (folder / "config.yaml").write_text(dump_settings(reward_settings("fsdp", base=folder)), encoding="utf-8")
    found = Place(folder)
    assert answer(found.start("whole"))["steps"] == NUM_STEPS
    return found


def assert_went_on(result: dict[str, object], *, after: int) -> None:
    """Fail unless a training went on from its checkpoint and what it kept came later."""
    assert float(str(result["seconds"])) > SECONDS_BEFORE
    assert (result["steps"], int(str(result["best_step"])) > after) == (NUM_STEPS, True)


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bits_when_its_command_is_given_again(place: Place) -> None:
    place.kill("killed")
    after = place.note_time("killed")
    assert_went_on(answer(place.start("killed")), after=after)
    whole, again = place.weights("whole"), place.weights("killed")
    assert whole.keys() == again.keys()
    assert all(torch.equal(again[name], weights) for name, weights in whole.items())
    assert place.log("killed") == place.log("whole")
    assert not (place.folder / "killed" / "resume").exists()


@pytest.mark.slow
def test_two_processes_that_were_killed_go_on_to_what_one_trains(place: Place) -> None:
    place.kill("two", "--nproc", "2")
    after = place.note_time("two")
    assert_went_on(answer(place.start("two", "--nproc", "2")), after=after)
    whole, again = place.weights("whole"), place.weights("two")
    assert whole.keys() == again.keys()
    for name, weights in whole.items():
        assert_close(again[name], weights, atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(place.log("two"), place.log("whole"), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5)


@pytest.mark.slow
def test_a_fault_keeps_its_exit_code_and_is_told_once_when_interpreters_cannot_be_taken_down(
    place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    words = ("train", "reward", str(place.folder / "config.yaml"), "--out", str(place.folder / "none"))
    missing = ("--set", "data.train=nowhere.jsonl")
    assert launch("aborting_process", [*words, *missing], num_processes=2) == EXIT_USER_INPUT
    assert capfd.readouterr().err.count("nowhere.jsonl: no such file") == 1
