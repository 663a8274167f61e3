"""The one training loop: shuffled batches, rows within a token budget, AdamW, validation, the best weights kept."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.batching import batches, micro_batches, num_steps
from steersman.engine.rates import rate_share
from steersman.errors import RunError
from steersman.modeling.precision import Precision
from steersman.modeling.rows import autocast

# Called with the indices of training groups that share a row; returns their summed loss terms, (K,), with gradients.
LossOf = Callable[[Sequence[int]], torch.Tensor]
# Returns validation metrics; the key "loss" decides which weights are kept.
Evaluate = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Objective:
    """What `fit` minimises: per batch, the sum over K terms of coefficient x (summed term / summed weight).

    `weights` (groups, K) count what each group adds to each term, labels or pairs; `tokens` are the groups' lengths.
    """

    loss_of: LossOf
    evaluate: Evaluate
    weights: torch.Tensor
    tokens: Sequence[int]
    coefficients: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, in what order and how: `seed` decides the order, `evaluate_every` counts optimiser steps."""

    optimiser: OptimiserSettings
    engine: EngineSettings
    evaluate_every: int
    seed: int
    precision: Precision = "float32"


@dataclass(frozen=True, slots=True)
class Reports:
    """Who hears of a training: `on_metrics` gets the step and its metrics, `advance` the number of groups done."""

    on_metrics: Callable[[Mapping[str, float]], None]
    advance: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training came to; `best_step` 0 means that no step improved on the start."""

    steps: int
    seconds: float
    tokens: int
    best_step: int
    best: Mapping[str, float]


@dataclass(slots=True)
class _State:
    """Where a training stands after `step` steps; `kept` are the best weights, `losses` those since then reported."""

    step: int
    best_step: int
    best: Mapping[str, float]
    kept: list[torch.Tensor]
    tokens: int = 0
    stale: int = 0
    losses: list[float] = field(default_factory=list)


def make_optimiser(model: nn.Module, *, optimiser: OptimiserSettings) -> torch.optim.AdamW:
    """Return AdamW over what is trained in `model`; vectors (norms, biases) are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim >= 2], "weight_decay": optimiser.weight_decay},
        {"params": [each for each in trained if each.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optimiser.learning_rate, betas=optimiser.betas)


def fit(model: nn.Module, objective: Objective, *, schedule: Schedule, reports: Reports) -> FitResult:
    """Train `model` in place and leave it with the weights of the lowest validation loss.

    The metrics are `step`, the mean `train_loss` since the last evaluation, `learning_rate`, `gradient_norm` and those
    of validation. The model stays in the mode it is in: one loaded for evaluation trains without dropout. Raises
    RunError when the validation loss is not finite at the start.
    """
    began = time.monotonic()
    optimiser = make_optimiser(model, optimiser=schedule.optimiser)
    state = _started(optimiser, objective)
    reports.on_metrics({"step": 0, **state.best})
    num_groups = len(objective.tokens)
    last_step = num_steps(num_groups, optimiser=schedule.optimiser)
    for batch in batches(num_groups, optimiser=schedule.optimiser, seed=schedule.seed):
        state.step += 1
        rate = schedule.optimiser.learning_rate * rate_share(
            state.step, last_step=last_step, optimiser=schedule.optimiser
        )
        loss, norm = take_step(optimiser, objective, batch, rate=rate, schedule=schedule)
        state.losses.append(loss)
        state.tokens += sum(objective.tokens[index] for index in batch)
        reports.advance(len(batch))
        if state.step % schedule.evaluate_every == 0 or state.step == last_step:
            metrics = _evaluated(state, optimiser, objective)
            reports.on_metrics({**metrics, "learning_rate": rate, "gradient_norm": norm})
            if schedule.engine.patience is not None and state.stale >= schedule.engine.patience:
                break
    _restore(_parameters(optimiser), state.kept)
    return FitResult(state.step, time.monotonic() - began, state.tokens, state.best_step, state.best)


def _started(optimiser: torch.optim.AdamW, objective: Objective) -> _State:
    best = objective.evaluate()
    if not math.isfinite(best["loss"]):
        raise RunError(
            f"the validation loss is {best['loss']} before the first step, so no step could ever be kept; check the"
            " model's weights and the labels"
        )
    return _State(0, 0, best, _copy(_parameters(optimiser)))


def _evaluated(state: _State, optimiser: torch.optim.AdamW, objective: Objective) -> dict[str, float]:
    """Evaluate, note in `state` whether it is the best so far, and return the metrics since the last evaluation."""
    found = objective.evaluate()
    train_loss = sum(state.losses) / len(state.losses)
    state.losses = []
    state.stale += 1
    if found["loss"] < state.best["loss"]:
        state.stale, state.best_step, state.best = 0, state.step, found
        state.kept = _copy(_parameters(optimiser))
    return {"step": state.step, "train_loss": train_loss, **found}


def take_step(
    optimiser: torch.optim.AdamW, objective: Objective, batch: Sequence[int], *, rate: float, schedule: Schedule
) -> tuple[float, float]:
    """Take one optimiser step on the groups `batch`; return its loss and the gradient's norm before clipping."""
    parameters = _parameters(optimiser)
    # a batch without a single label has a loss of zero, not of zero divided by zero
    totals_K = objective.weights[list(batch)].sum(dim=0)
    shares_K = torch.tensor(objective.coefficients) / torch.where(totals_K > 0, totals_K, 1.0)
    optimiser.zero_grad(set_to_none=True)
    loss_sum = 0.0
    with autocast(parameters[0].device, precision=schedule.precision):
        for indices in micro_batches(batch, tokens=objective.tokens, budget=schedule.engine.micro_batch_tokens):
            terms_K = objective.loss_of(indices)
            # no product of vectors: autocast would round the loss and its gradient to bfloat16
            loss = (terms_K * shares_K.to(terms_K)).sum()
            loss.backward()
            loss_sum += loss.item()
    for group in optimiser.param_groups:
        group["lr"] = rate
    norm = torch.nn.utils.clip_grad_norm_(parameters, schedule.optimiser.clip_norm)
    optimiser.step()
    return loss_sum, norm.item()


def _parameters(optimiser: torch.optim.AdamW) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _copy(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _restore(parameters: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
