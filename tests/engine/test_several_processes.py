"""Two processes train what one trains, by both strategies, and go on from each other's checkpoints."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from process_of_several import STOPPED, STRATEGIES, place, train_together
from torch.testing import assert_close

from steersman.config.engine import Strategy
from steersman.engine.launch import launch
from steersman.errors import EXIT_DONE, RunError

MODULE = "process_of_several"


@dataclass(frozen=True, slots=True)
class Found:
    """What the first process wrote."""

    weights: dict[str, torch.Tensor]
    rows: list[dict[str, float]]
    counts: list[int]


def read(path: Path) -> Found:
    return Found(**torch.load(path, weights_only=True))


@dataclass(frozen=True, slots=True)
class Trained:
    """A folder with what each strategy trained by two processes, and the exit codes of these."""

    folder: Path
    stopped: dict[Strategy, int]
    gone_on: int

    def place(self, what: str, *, strategy: Strategy) -> Path:
        return place(self.folder, what=what, strategy=strategy)

    def found(self, what: str, *, strategy: Strategy) -> Found:
        return read(self.place(what, strategy=strategy))


def alone(out: Path, *, resume: Path | None = None) -> Found:
    train_together(out, strategy="ddp", resume=resume, after=None)
    return read(out)


@pytest.fixture(scope="module", autouse=True)
def _paths() -> Iterator[None]:
    """Let the processes find the modules of this folder."""
    here = str(Path(__file__).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def together(*arguments: object) -> int:
    return launch(MODULE, [str(each) for each in arguments], num_processes=2)


@pytest.fixture(scope="module")
def two(_paths: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train by two processes without a stop, until one, and on from there: starting processes is what takes long."""
    folder = tmp_path_factory.mktemp("two")
    stopped = {strategy: together(folder, strategy) for strategy in STRATEGIES}
    for strategy in STRATEGIES:
        resume, kept = (place(folder, what=what, strategy=strategy) for what in ("resume", "kept"))
        shutil.copytree(resume, kept)
    return Trained(folder, stopped, together(folder))


def assert_near(found: Found, expected: Found) -> None:
    assert found.weights.keys() == expected.weights.keys()
    for name, weights in expected.weights.items():
        assert_close(found.weights[name], weights, atol=1e-5, rtol=1e-5)
    assert [row["step"] for row in found.rows] == [row["step"] for row in expected.rows]
    for mine, theirs in zip(found.rows, expected.rows, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    assert sum(found.counts) == sum(expected.counts)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_train_what_one_trains(two: Trained, strategy: Strategy, tmp_path: Path) -> None:
    expected = alone(tmp_path / "one")
    assert_near(two.found("two", strategy=strategy), expected)
    # it did train: noise is learnt slowly
    assert expected.rows[-1]["loss"] < 0.96 * expected.rows[0]["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_that_were_stopped_go_on_to_the_same_bits(two: Trained, strategy: Strategy) -> None:
    assert (two.stopped[strategy], two.gone_on) == (STOPPED, EXIT_DONE)
    kept = two.place("kept", strategy=strategy)
    assert [each.name for each in kept.iterdir() if not each.name.startswith(".")] != []
    whole, gone_on = (two.found(what, strategy=strategy) for what in ("two", "gone-on"))
    assert all(torch.equal(whole.weights[name], gone_on.weights[name]) for name in whole.weights)
    assert gone_on.rows == whole.rows
    assert not two.place("stopped", strategy=strategy).exists()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_process_goes_on_from_the_checkpoint_of_two(two: Trained, strategy: Strategy, tmp_path: Path) -> None:
    resume = two.place("kept", strategy=strategy)
    assert_near(alone(tmp_path / "gone-on", resume=resume), alone(tmp_path / "whole"))


@pytest.mark.slow
def test_a_process_that_was_killed_ends_the_others_with_its_signal(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"was ended by SIGKILL.*goes on from the last checkpoint"):
        launch("killed_process", [str(tmp_path)], num_processes=2)
    pids = [int(each.name) for each in tmp_path.iterdir()]
    assert len(pids) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
