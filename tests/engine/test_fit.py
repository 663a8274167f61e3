"""The training loop on models small enough to do by hand."""

from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from steersman.config.sections import OptimiserSettings
from steersman.engine.fit import FitResult, Objective, Schedule, batches, fit, make_optimiser, num_steps, warmed_up

# groups with one, two and three labels: a mean over groups is not a mean over labels
LABELS = [[1.0], [2.0, 4.0], [3.0, 3.0, 9.0]]
NO_CLIPPING = 1e9


class Constant(nn.Module):
    """A model of one weight that predicts itself."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), value))


class Recorder:
    """Keeps every row of metrics."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def __call__(self, metrics: Mapping[str, float]) -> None:
        self.rows.append(dict(metrics))


def schedule(seed: int = 0, evaluate_every: int = 1, **optimiser: object) -> Schedule:
    settings = {
        "learning_rate": 0.1,
        "epochs": 1,
        "batch_pairs": 3,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "clip_norm": NO_CLIPPING,
        **optimiser,
    }
    return Schedule(OptimiserSettings.model_validate(settings), evaluate_every, seed)


def squared_errors(model: Constant, labels: Sequence[Sequence[float]]) -> Objective:
    def loss_of(index: int) -> torch.Tensor:
        return (model.weight - torch.tensor(labels[index])).square().sum()

    return Objective(loss_of, lambda: {"loss": 0.0}, [len(each) for each in labels], [10 for _ in labels])


def run(
    model: nn.Module,
    objective: Objective,
    plan: Schedule,
    *,
    on_metrics: Callable[[Mapping[str, float]], None] = lambda _: None,
) -> FitResult:
    return fit(model, objective, schedule=plan, on_metrics=on_metrics, advance=lambda _: None)


def test_every_epoch_covers_every_group_once_in_a_new_order() -> None:
    found = list(batches(10, schedule=schedule(epochs=2, batch_pairs=4)))
    assert [len(batch) for batch in found] == [4, 4, 2, 4, 4, 2]
    epochs = [[index for batch in part for index in batch] for part in (found[:3], found[3:])]
    assert [sorted(order) for order in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_only_the_seed_decides_the_order() -> None:
    torch.manual_seed(1)
    first = list(batches(10, schedule=schedule(seed=3)))
    torch.manual_seed(2)
    assert list(batches(10, schedule=schedule(seed=3))) == first
    assert list(batches(10, schedule=schedule(seed=4))) != first


@pytest.mark.parametrize(("num_groups", "size", "epochs"), [(10, 4, 2), (8, 4, 3), (1, 4, 1), (4, 1, 1), (0, 2, 1)])
def test_steps_are_counted_as_they_are_taken(num_groups: int, size: int, epochs: int) -> None:
    plan = schedule(batch_pairs=size, epochs=epochs)
    assert num_steps(num_groups, optimiser=plan.optimiser) == len(list(batches(num_groups, schedule=plan)))


def test_the_loss_of_a_batch_is_the_mean_over_its_labels() -> None:
    recorder, model = Recorder(), Constant()
    run(model, squared_errors(model, LABELS), schedule(), on_metrics=recorder)
    squares = [label**2 for labels in LABELS for label in labels]
    assert recorder.rows[1]["train_loss"] == pytest.approx(sum(squares) / len(squares))


def test_the_gradient_of_a_batch_is_that_of_the_mean_over_its_labels() -> None:
    model = Constant()
    run(model, squared_errors(model, LABELS), schedule())
    labels = [label for labels in LABELS for label in labels]
    expected = sum(-2 * label for label in labels) / len(labels)
    assert model.weight.grad is not None
    assert model.weight.grad.item() == pytest.approx(expected)


def test_groups_summed_one_by_one_have_the_gradient_of_one_big_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(count, 3, generator=generator) for count in (1, 4, 2)]
    labels = [torch.randn(len(each), 2, generator=generator) for each in inputs]
    model = nn.Linear(3, 2)
    whole = (model(torch.cat(inputs)) - torch.cat(labels)).square().mean()
    expected = torch.autograd.grad(whole, list(model.parameters()))

    def loss_of(index: int) -> torch.Tensor:
        predicted: torch.Tensor = model(inputs[index])
        return (predicted - labels[index]).square().sum()

    run(model, Objective(loss_of, lambda: {"loss": 0.0}, [each.numel() for each in labels], [1] * 3), schedule())
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert_close(parameter.grad, gradient)


def test_a_gradient_is_cut_to_the_norm_over_all_weights() -> None:
    model = nn.Linear(1, 1)
    inputs, label = torch.tensor([[3.0]]), 1000.0
    objective = Objective(lambda _: (model(inputs) - label).square().sum(), lambda: {"loss": 0.0}, [1.0], [1])
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

    def __call__(self) -> dict[str, float]:
        self.weights.append(self._model.weight.item())
        return {"loss": next(self._losses), "accuracy": float(len(self.weights))}


def test_the_weights_of_the_lowest_validation_loss_are_restored() -> None:
    model = Constant()
    evaluate = Validation(model, [5.0, 4.0, 3.0, 6.0, 7.0])
    objective = Objective(squared_errors(model, LABELS).loss_of, evaluate, [1, 2, 3], [1] * 3)
    result = run(model, objective, schedule(epochs=8, evaluate_every=2))
    assert model.weight.item() == evaluate.weights[2]
    assert len(set(evaluate.weights)) == len(evaluate.weights)
    assert (result.steps, result.best_step, result.best) == (8, 4, {"loss": 3.0, "accuracy": 3.0})


def test_a_training_that_only_harms_leaves_the_start() -> None:
    model = Constant(0.25)
    evaluate = Validation(model, [1.0, 2.0, 1.0])
    objective = Objective(squared_errors(model, LABELS).loss_of, evaluate, [1, 2, 3], [1] * 3)
    result = run(model, objective, schedule(epochs=2))
    assert (model.weight.item(), result.best_step) == (0.25, 0)


def test_a_validation_loss_that_is_no_number_is_never_the_best() -> None:
    model = Constant(0.25)
    evaluate = Validation(model, [1.0, float("nan"), float("nan")])
    objective = Objective(squared_errors(model, LABELS).loss_of, evaluate, [1, 2, 3], [1] * 3)
    assert run(model, objective, schedule(epochs=2)).best_step == 0
    assert model.weight.item() == 0.25


def test_the_last_step_is_evaluated_whatever_the_interval() -> None:
    recorder, model = Recorder(), Constant()
    run(model, squared_errors(model, LABELS), schedule(epochs=5, evaluate_every=2), on_metrics=recorder)
    assert [row["step"] for row in recorder.rows] == [0, 2, 4, 5]


def test_the_train_loss_is_the_mean_since_the_last_evaluation() -> None:
    every, seldom = Recorder(), Recorder()
    for recorder, interval in ((every, 1), (seldom, 2)):
        model = Constant()
        plan = schedule(epochs=4, evaluate_every=interval)
        run(model, squared_errors(model, LABELS), plan, on_metrics=recorder)
    losses = [row["train_loss"] for row in every.rows[1:]]
    expected = [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2]
    assert [row["train_loss"] for row in seldom.rows[1:]] == pytest.approx(expected)


def test_the_rate_warms_up_and_stays() -> None:
    recorder, model = Recorder(), Constant()
    plan = schedule(epochs=6, warmup_steps=4)
    run(model, squared_errors(model, LABELS), plan, on_metrics=recorder)
    rates = [row["learning_rate"] for row in recorder.rows[1:]]
    assert rates == pytest.approx([0.1 * share for share in (0.25, 0.5, 0.75, 1, 1, 1)])


def test_the_first_step_moves_by_the_warmed_up_rate() -> None:
    # AdamW's first step is the rate times the sign of the gradient; labels lie above the weight
    model = Constant()
    evaluate = Validation(model, [2.0, 1.0])
    objective = Objective(squared_errors(model, LABELS).loss_of, evaluate, [1, 2, 3], [1] * 3)
    run(model, objective, schedule(warmup_steps=4))
    assert evaluate.weights[1] == pytest.approx(0.1 / 4, rel=1e-4)


def test_without_warm_up_the_rate_is_at_its_peak() -> None:
    assert warmed_up(1, warmup_steps=0) == 1.0


def test_decay_shrinks_matrices_and_leaves_vectors() -> None:
    model = nn.Linear(2, 1)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    losses = iter([1.0, 0.0])
    objective = Objective(
        lambda _: 0 * (model.weight.sum() + model.bias.sum()), lambda: {"loss": next(losses)}, [1.0], [1]
    )
    run(model, objective, schedule(learning_rate=0.1, weight_decay=0.5))
    assert_close(model.weight.detach(), torch.full((1, 2), 1 - 0.1 * 0.5))
    assert model.bias.item() == 1.0


def test_frozen_weights_are_not_given_to_the_optimiser() -> None:
    model = nn.Linear(2, 1)
    model.weight.requires_grad_(False)
    groups = make_optimiser(model, optimiser=schedule().optimiser).param_groups
    held = [parameter for group in groups for parameter in group["params"]]
    assert [id(each) for each in held] == [id(model.bias)]


def test_progress_counts_groups_and_the_result_counts_tokens() -> None:
    model, counts = Constant(), list[int]()
    plan = schedule(batch_pairs=2, epochs=2)
    result = fit(model, squared_errors(model, LABELS), schedule=plan, on_metrics=lambda _: None, advance=counts.append)
    assert counts == [2, 1, 2, 1]
    assert (result.steps, result.tokens) == (4, 2 * 10 * len(LABELS))


def small_training(*, seed: int, device: str = "cpu") -> tuple[list[torch.Tensor], list[dict[str, float]]]:
    """Train a small network on noise and return its weights and metrics."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(12, 4, generator=generator).to(device)
    labels = torch.randn(12, 1, generator=generator).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)

    def loss_of(index: int) -> torch.Tensor:
        predicted: torch.Tensor = model(inputs[index])
        return (predicted - labels[index]).square().sum()

    def evaluate() -> dict[str, float]:
        with torch.no_grad():
            return {"loss": (model(inputs) - labels).square().mean().item()}

    recorder = Recorder()
    objective = Objective(loss_of, evaluate, [1] * 12, [1] * 12)
    run(model, objective, schedule(seed=seed, epochs=5, batch_pairs=5, weight_decay=0.1), on_metrics=recorder)
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
