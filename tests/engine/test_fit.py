"""The training loop on models small enough to do by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from constant_model import LABELS, Constant, Recorder, counts_of, optimiser_settings, run, schedule, squared_errors
from torch import nn
from torch.testing import assert_close

from steersman.engine.objective import Objective
from steersman.engine.step import make_optimiser
from steersman.errors import RunError
from steersman.reward.heads import Head
from steersman.reward.spec import RewardSpec


def test_the_loss_of_a_batch_is_the_mean_over_its_labels() -> None:
    recorder, model = Recorder(), Constant()
    run(model, squared_errors(model, LABELS), schedule(), recorder=recorder)
    squares = [label**2 for labels in LABELS for label in labels]
    assert recorder.rows[1]["train_loss"] == pytest.approx(sum(squares) / len(squares))


def test_the_gradient_of_a_batch_is_that_of_the_mean_over_its_labels() -> None:
    model = Constant()
    run(model, squared_errors(model, LABELS), schedule())
    labels = [label for labels in LABELS for label in labels]
    expected = sum(-2 * label for label in labels) / len(labels)
    assert model.weight.grad is not None
    assert model.weight.grad.item() == pytest.approx(expected)


@pytest.mark.parametrize("budget", [1, 3, 5, 100])
def test_rows_of_any_budget_have_the_gradient_of_one_big_batch(budget: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(count, 3, generator=generator) for count in (1, 4, 2, 3)]
    labels = [torch.randn(len(each), 2, generator=generator) for each in inputs]
    model = nn.Linear(3, 2)
    whole = (model(torch.cat(inputs)) - torch.cat(labels)).square().mean()
    expected = torch.autograd.grad(whole, list(model.parameters()))

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        predicted: torch.Tensor = model(torch.cat([inputs[index] for index in indices]))
        return (predicted - torch.cat([labels[index] for index in indices])).square().sum()[None]

    weights = torch.tensor([[float(each.numel())] for each in labels])
    objective = Objective(loss_of, lambda: {"loss": 0.0}, weights, [len(each) for each in inputs])
    run(model, objective, schedule(batch_pairs=4, engine={"micro_batch_tokens": budget}))
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert_close(parameter.grad, gradient, atol=1e-6, rtol=0)


def test_each_term_is_a_mean_over_its_own_weight_times_its_coefficient() -> None:
    # two terms of a weight w: groups have one label each, and the second group alone has a preference
    model = Constant(0.5)
    targets, weights = torch.tensor([[1.0, 0.0], [3.0, 7.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        chosen = list(indices)
        return (weights[chosen] * (model.weight - targets[chosen]).square()).sum(dim=0)

    recorder = Recorder()
    objective = Objective(loss_of, lambda: {"loss": 0.0}, weights, [1, 1], coefficients=(1.0, 0.25))
    run(model, objective, schedule(engine={"micro_batch_tokens": 1}), recorder=recorder)
    assert recorder.rows[1]["train_loss"] == pytest.approx((0.5**2 + 2.5**2) / 2 + 0.25 * 6.5**2)
    assert model.weight.grad is not None
    assert model.weight.grad.item() == pytest.approx((-2 * 0.5 - 2 * 2.5) / 2 + 0.25 * -2 * 6.5)


def test_a_gradient_is_cut_to_the_norm_over_all_weights() -> None:
    model = nn.Linear(1, 1)
    inputs, label = torch.tensor([[3.0]]), 1000.0
    objective = Objective(
        lambda _: (model(inputs) - label).square().sum()[None], lambda: {"loss": 0.0}, torch.ones(1, 1), [1]
    )
    run(model, objective, schedule(clip_norm=0.5))
    gradients = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    # d/dw = 3 d/db, so of a norm of 0.5 the weight has 3 / sqrt(10) and the bias 1 / sqrt(10)
    assert_close(gradients, torch.tensor([-3.0, -1.0]) * 0.5 / 10**0.5)


def test_a_batch_without_labels_moves_nothing() -> None:
    model = Constant(1.0)
    run(model, squared_errors(model, [[]]), schedule())
    assert model.weight.item() == 1.0


class Validation:
    """Gives the losses it was told, and notes the model's weight each time."""

    def __init__(self, model: Constant, losses: Sequence[float]) -> None:
        self._model = model
        self._losses = iter(losses)
        self.weights: list[float] = []

    def __call__(self) -> Mapping[str, float]:
        self.weights.append(self._model.weight.item())
        return {"loss": next(self._losses), "accuracy": float(len(self.weights))}


def judged(model: Constant, losses: Sequence[float]) -> tuple[Objective, Validation]:
    """Return the objective of LABELS with validation losses told beforehand."""
    evaluate = Validation(model, losses)
    return Objective(squared_errors(model, LABELS).loss_of, evaluate, counts_of(LABELS), [1] * 3), evaluate


def test_the_weights_of_the_lowest_validation_loss_are_restored() -> None:
    model = Constant()
    objective, evaluate = judged(model, [5.0, 4.0, 3.0, 6.0, 7.0])
    result = run(model, objective, schedule(epochs=8, evaluate_every=2))
    assert model.weight.item() == evaluate.weights[2]
    assert len(set(evaluate.weights)) == len(evaluate.weights)
    assert (result.steps, result.best_step, result.best) == (8, 4, {"loss": 3.0, "accuracy": 3.0})


def test_a_training_that_only_harms_leaves_the_start() -> None:
    model = Constant(0.25)
    objective, _ = judged(model, [1.0, 2.0, 1.0])
    assert run(model, objective, schedule(epochs=2)).best_step == 0
    assert model.weight.item() == 0.25


def test_a_validation_loss_that_is_no_number_is_never_the_best() -> None:
    model = Constant(0.25)
    objective, _ = judged(model, [1.0, float("nan"), float("nan")])
    assert run(model, objective, schedule(epochs=2)).best_step == 0
    assert model.weight.item() == 0.25


def breaking_at(step: int, model: Constant, losses: Sequence[float]) -> Objective:
    """Return an objective of one row a step, whose loss is infinite at `step`."""
    objective, _ = judged(model, losses)
    calls = iter(range(1, 100))

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        return objective.loss_of(indices) * (float("inf") if next(calls) == step else 1.0)

    return replace(objective, loss_of=loss_of)


def test_a_gradient_that_is_no_number_ends_the_training_with_the_best_weights(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone, model = Constant(), Constant()
    run(alone, judged(alone, [5.0, 4.0, 3.0])[0], schedule(epochs=2))
    result = run(model, breaking_at(3, model, [5.0, 4.0, 3.0]), schedule(epochs=9))
    assert (result.steps, result.best_step, model.weight.item()) == (2, 2, alone.weight.item())
    assert "the gradient's norm is inf at step 3: the training ends with the weights of step 2" in caplog.text


def test_a_gradient_that_is_no_number_is_an_error_where_no_step_was_better() -> None:
    model = Constant(0.25)
    with pytest.raises(RunError, match="norm is inf at step 2, and no step before was better than the start"):
        run(model, breaking_at(2, model, [1.0, 1.0]), schedule(epochs=9))


def test_a_start_whose_loss_is_no_number_is_refused() -> None:
    model = Constant()
    objective, _ = judged(model, [float("nan")])
    with pytest.raises(RunError, match="the validation loss is nan before the first step"):
        run(model, objective, schedule())


def test_training_stops_after_so_many_evaluations_without_a_better_one() -> None:
    model = Constant()
    objective, evaluate = judged(model, [5.0, 4.0, 4.5, 3.0, 3.5, 3.0, 1.0])
    # better at steps 1 and 3; 3.5 and 3.0 (no better than 3.0) are two in a row that are not, so 1.0 is never seen
    result = run(model, objective, schedule(epochs=9, engine={"patience": 2}))
    assert (result.steps, result.best_step) == (5, 3)
    assert model.weight.item() == evaluate.weights[3]


def test_the_last_step_is_evaluated_whatever_the_interval() -> None:
    recorder, model = Recorder(), Constant()
    run(model, squared_errors(model, LABELS), schedule(epochs=5, evaluate_every=2), recorder=recorder)
    assert [row["step"] for row in recorder.rows] == [0, 2, 4, 5]


def test_the_train_loss_is_the_mean_since_the_last_evaluation() -> None:
    every, seldom = Recorder(), Recorder()
    for recorder, interval in ((every, 1), (seldom, 2)):
        model = Constant()
        plan = schedule(epochs=4, evaluate_every=interval)
        run(model, squared_errors(model, LABELS), plan, recorder=recorder)
    losses = [row["train_loss"] for row in every.rows[1:]]
    expected = [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2]
    assert [row["train_loss"] for row in seldom.rows[1:]] == pytest.approx(expected)


def test_the_rate_of_each_step_is_reported() -> None:
    recorder, model = Recorder(), Constant()
    plan = schedule(epochs=6, warmup_steps=2, schedule="linear")
    run(model, squared_errors(model, LABELS), plan, recorder=recorder)
    rates = [row["learning_rate"] for row in recorder.rows[1:]]
    assert rates == pytest.approx([0.1 * share for share in (0.5, 1, 0.75, 0.5, 0.25, 0)])


def test_the_first_step_moves_by_the_warmed_up_rate() -> None:
    # AdamW's first step is the rate times the sign of the gradient; labels lie above the weight
    model = Constant()
    objective, evaluate = judged(model, [2.0, 1.0])
    run(model, objective, schedule(warmup_steps=4))
    assert evaluate.weights[1] == pytest.approx(0.1 / 4, rel=1e-4)


def test_decay_shrinks_matrices_and_leaves_vectors() -> None:
    model = nn.Linear(2, 1)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    losses = iter([1.0, 0.0])
    objective = Objective(
        lambda _: 0 * (model.weight.sum() + model.bias.sum())[None],
        lambda: {"loss": next(losses)},
        torch.ones(1, 1),
        [1],
    )
    run(model, objective, schedule(learning_rate=0.1, weight_decay=0.5))
    assert_close(model.weight.detach(), torch.full((1, 2), 1 - 0.1 * 0.5))
    assert model.bias.item() == 1.0


def test_what_says_that_it_holds_biases_is_not_decayed_whatever_its_shape() -> None:
    head = Head(3, spec=RewardSpec("ordinal", ("helpfulness", "coherence"), {}))
    decayed, others = make_optimiser(head, optimiser=optimiser_settings(weight_decay=0.5)).param_groups
    assert [id(each) for each in decayed["params"]] == [id(head.linear.weight)]
    assert head.thresholds is not None
    assert {id(each) for each in others["params"]} == {id(head.thresholds.first), id(head.thresholds.steps)}
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0.0)


def test_frozen_weights_are_not_given_to_the_optimiser() -> None:
    model = nn.Linear(2, 1)
    model.weight.requires_grad_(False)
    groups = make_optimiser(model, optimiser=optimiser_settings()).param_groups
    held = [parameter for group in groups for parameter in group["params"]]
    assert [id(each) for each in held] == [id(model.bias)]


def test_progress_and_result_count_tokens() -> None:
    model, recorder = Constant(), Recorder()
    result = run(model, squared_errors(model, LABELS), schedule(batch_pairs=2, epochs=2), recorder=recorder)
    assert recorder.counts == [20, 10, 20, 10]
    assert (result.steps, result.tokens) == (4, 2 * 10 * len(LABELS))


def small_training(*, seed: int, device: str = "cpu") -> tuple[list[torch.Tensor], list[dict[str, float]]]:
    """Train a small network on noise and return its weights and metrics."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(12, 4, generator=generator).to(device)
    labels = torch.randn(12, 1, generator=generator).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        predicted: torch.Tensor = model(inputs[list(indices)])
        return (predicted - labels[list(indices)]).square().sum()[None]

    def evaluate() -> dict[str, float]:
        with torch.no_grad():
            return {"loss": (model(inputs) - labels).square().mean().item()}

    recorder = Recorder()
    objective = Objective(loss_of, evaluate, torch.ones(12, 1), [1] * 12)
    plan = schedule(seed=seed, epochs=5, batch_pairs=5, weight_decay=0.1, engine={"micro_batch_tokens": 2})
    run(model, objective, plan, recorder=recorder)
    return [each.detach().cpu() for each in model.parameters()], recorder.rows


def test_the_same_seed_trains_to_the_same_bits_and_another_does_not() -> None:
    first, second, other = small_training(seed=0), small_training(seed=0), small_training(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    assert first[1] == second[1]
    assert not all(torch.equal(a, b) for a, b in zip(first[0], other[0], strict=True))


def test_training_lowers_the_loss() -> None:
    rows = small_training(seed=0)[1]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_to_the_weights_of_the_cpu() -> None:
    on_cpu, on_gpu = small_training(seed=0), small_training(seed=0, device="cuda")
    for expected, found in zip(on_cpu[0], on_gpu[0], strict=True):
        assert_close(found, expected, atol=1e-3, rtol=1e-3)
