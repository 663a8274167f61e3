"""A training that was stopped goes on to the very weights and metrics it would have had."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from constant_model import Recorder, run
from noise_training import Network, noise_schedule, objective_of, trained

from steersman.engine.fit import FitResult
from steersman.engine.objective import Objective, Schedule
from steersman.errors import RunError

Rows = list[list[int]]


class StoppedError(Exception):
    """What a killed process looks like from inside."""


def stopped(objective: Objective, *, after: int) -> Objective:
    """Return `objective`, which fails when it is asked for its loss once more than `after` times."""
    calls = [0]

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        calls[0] += 1
        if calls[0] > after:
            raise StoppedError
        return objective.loss_of(indices)

    return replace(objective, loss_of=loss_of)


def watched(objective: Objective) -> tuple[Objective, Rows]:
    """Return `objective`, and a list that gets the groups of every row it computes."""
    rows: Rows = []

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        rows.append(list(indices))
        return objective.loss_of(indices)

    return replace(objective, loss_of=loss_of), rows


def all_rows() -> Rows:
    """Return the rows of a whole training; it may stop before each of them, also within a step."""
    model = Network()
    objective, rows = watched(objective_of(model))
    run(model, objective, noise_schedule())
    return rows


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def whole() -> tuple[list[torch.Tensor], FitResult, Recorder]:
    torch.manual_seed(3)
    model = Network()
    result, recorder = trained(model, objective_of(model, with_noise=True), noise_schedule())
    return weights(model), result, recorder


def stop_and_go(plan: Schedule, *, after: int) -> tuple[list[torch.Tensor], FitResult, Recorder]:
    """Train until `after` rows are done, then go on as a new process does: a new model, other random numbers."""
    torch.manual_seed(3)
    model = Network()
    with pytest.raises(StoppedError):
        trained(model, stopped(objective_of(model, with_noise=True), after=after), plan)
    torch.manual_seed(3)
    model = Network()
    result, recorder = trained(model, objective_of(model, with_noise=True), plan)
    return weights(model), result, recorder


@pytest.mark.parametrize("save_every", [1, 3])
def test_a_training_stopped_anywhere_ends_with_the_same_bits(save_every: int, tmp_path: Path) -> None:
    expected, result, recorder = whole()
    for after in range(len(all_rows())):
        plan = noise_schedule(resume=tmp_path / str(after), save_every=save_every)
        found, found_result, found_recorder = stop_and_go(plan, after=after)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)), after
        assert replace(found_result, seconds=0.0) == replace(result, seconds=0.0)
        assert json.dumps(found_recorder.rows) == json.dumps(recorder.rows)
        assert sum(found_recorder.counts) == sum(recorder.counts) == result.tokens


def test_a_training_goes_on_from_its_last_checkpoint_and_not_from_the_start(tmp_path: Path) -> None:
    plan, expected = noise_schedule(resume=tmp_path, save_every=4), all_rows()
    model = Network()
    with pytest.raises(StoppedError):
        trained(model, stopped(objective_of(model), after=len(expected) - 1), plan)
    assert [each.name for each in tmp_path.iterdir()] == ["step-8"]
    model = Network()
    objective, rows = watched(objective_of(model))
    trained(model, objective, plan)
    # nine steps take 4, 4 and 3 groups in turn, so the three of the last are all that is left
    assert rows == expected[-len(rows) :]
    assert sum(len(row) for row in rows) == 3


def judged(objective: Objective, losses: Sequence[float]) -> Objective:
    """Return `objective`, whose validation losses are `losses`, and after these the last of them."""
    left = list(losses)
    return replace(objective, evaluate=lambda: {"loss": left.pop(0) if len(left) > 1 else left[0]})


def test_the_best_weights_from_before_a_stop_are_the_result_when_nothing_better_comes(tmp_path: Path) -> None:
    model, plan = Network(), replace(noise_schedule(resume=tmp_path, save_every=4), evaluate_every=2)
    result, _ = trained(model, judged(objective_of(model), [3.0, 1.0, 2.0]), replace(plan, resume=None))
    assert result.best_step == 2
    expected = weights(model)
    model = Network()
    objective = stopped(judged(objective_of(model), [3.0, 1.0, 2.0]), after=len(all_rows()) - 1)
    with pytest.raises(StoppedError):
        trained(model, objective, plan)
    model = Network()
    trained(model, judged(objective_of(model), [2.0]), plan)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), expected, strict=True))


def test_a_checkpoint_that_was_half_written_is_passed_over(tmp_path: Path) -> None:
    expected, _, recorder = whole()
    plan = noise_schedule(resume=tmp_path, save_every=2)
    (tmp_path / ".step-8.partial").mkdir()
    found, _, found_recorder = stop_and_go(plan, after=12)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert found_recorder.rows == recorder.rows


def test_without_save_every_nothing_is_left(tmp_path: Path) -> None:
    model = Network()
    trained(model, objective_of(model), noise_schedule(resume=tmp_path / "resume"))
    assert not (tmp_path / "resume").exists()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    plan = noise_schedule(resume=tmp_path, save_every=2)
    model = Network()
    with pytest.raises(StoppedError):
        trained(model, stopped(objective_of(model), after=20), plan)
    (place,) = tmp_path.iterdir()
    for file in place.glob("*.distcp"):
        file.unlink()
    with pytest.raises(RunError, match=rf"{place.name}: the checkpoint cannot be written or read"):
        trained(Network(), objective_of(model), plan)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    # where the checkpoint of step 2 is to be written stands a file
    (tmp_path / ".step-2.partial").write_text("", encoding="utf-8")
    model = Network()
    with pytest.raises(RunError, match="the checkpoint cannot be written or read"):
        trained(model, objective_of(model), noise_schedule(resume=tmp_path, save_every=2))
