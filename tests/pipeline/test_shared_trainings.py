"""Two processes train real models as one does, and go on from each other's checkpoints; a few processes do it all."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import shared_trainings
import torch
from safetensors.torch import load_file
from shared_trainings import CASES, train, train_until_stopped
from tiny_loop import object_of, rows_of
from torch.testing import assert_close

from steersman.engine.launch import launch
from steersman.errors import EXIT_DONE
from steersman.store.cache import CACHE_VARIABLE

TOLERANCE = 1e-5
# these tell when and where
_OF_TIME = ("seconds", "run")


@dataclass(frozen=True, slots=True)
class Made:
    """What a training left: its weights, the rows of its log and its result."""

    weights: dict[str, torch.Tensor]
    log: list[dict[str, object]]
    result: dict[str, object]


def made(run: Path) -> Made:
    files = sorted((run / "checkpoint").glob("*.safetensors"))
    weights = {f"{file.name} {name}": tensor for file in files for name, tensor in load_file(file).items()}
    result = {name: value for name, value in object_of(run / "result.json").items() if name not in _OF_TIME}
    return Made(weights, rows_of(run / "metrics.jsonl"), result)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with every training done by one process and by two, and gone on with by both."""
    folder = tmp_path_factory.mktemp("shared")
    shared_trainings.write_inputs(folder)
    tests = Path(__file__).parent
    paths = (str(tests), str(tests.parent), os.environ.get("PYTHONPATH", ""))
    num_threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv(CACHE_VARIABLE, str(folder / "cache-one"))
        # threads that wait for tiny products only take the cores from each other
        torch.set_num_threads(1)
        for case in CASES:
            train(case, base=folder, out=folder / "one" / case)
            train_until_stopped(case, base=folder, out=folder / "one-then-two" / case)
        # activations that one process cached are not there for two
        patch.setenv(CACHE_VARIABLE, str(folder / "cache-two"))
        assert launch("shared_trainings", [str(folder)], num_processes=2) == EXIT_DONE
        for case in CASES:
            train(case, base=folder, out=folder / "two-then-one" / case)
    yield folder
    torch.set_num_threads(num_threads)


def assert_near(found: Made, expected: Made) -> None:
    assert found.weights.keys() == expected.weights.keys()
    for name, weights in expected.weights.items():
        assert_close(found.weights[name], weights, atol=TOLERANCE, rtol=TOLERANCE)
    assert len(found.log) == len(expected.log)
    for mine, theirs in zip(found.log, expected.log, strict=True):
        assert mine == pytest.approx(theirs, rel=TOLERANCE, abs=TOLERANCE)
    assert found.result.keys() == expected.result.keys()
    assert found.result["metrics"] == pytest.approx(expected.result["metrics"], rel=TOLERANCE, abs=TOLERANCE)
    for name in ("steps", "tokens", "best_step"):
        assert found.result[name] == expected.result[name]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_what_one_trains(base: Path, case: str) -> None:
    expected = made(base / "one" / case)
    assert_near(made(base / "two" / case), expected)
    # what is compared are weights of the last step, after a training that learnt something
    assert expected.result["best_step"] == expected.result["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_that_were_stopped_go_on_to_the_same_bits(base: Path, case: str) -> None:
    whole, gone_on = made(base / "two" / case), made(base / "two-stopped" / case)
    assert whole.weights.keys() == gone_on.weights.keys()
    assert all(torch.equal(whole.weights[name], gone_on.weights[name]) for name in whole.weights)
    assert json.dumps(whole.log) == json.dumps(gone_on.log)
    assert json.dumps(whole.result) == json.dumps(gone_on.result)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_one_process_goes_on_where_two_were_stopped(base: Path, case: str) -> None:
    assert_near(made(base / "two-then-one" / case), made(base / "one" / case))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_go_on_where_one_was_stopped(base: Path, case: str) -> None:
    assert_near(made(base / "one-then-two" / case), made(base / "one" / case))
