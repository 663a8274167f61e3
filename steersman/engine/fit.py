"""The one training loop: shuffled groups, gradients summed over a batch, AdamW, validation, best weights kept."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from steersman.config.sections import OptimiserSettings
from steersman.errors import RunError

# Called with the index of a training group; returns its summed loss, a scalar with gradients.
LossOf = Callable[[int], torch.Tensor]
# Returns validation metrics; the key "loss" decides which weights are kept.
Evaluate = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Objective:
    """What `fit` minimises: sum of `loss_of` over a batch divided by the batch's sum of `weights`.

    `weights` and `tokens` have one entry per training group: the number of terms in its loss, and its length.
    """

    loss_of: LossOf
    evaluate: Evaluate
    weights: Sequence[float]
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and in what order: `seed` decides the order, `evaluate_every` counts optimiser steps."""

    optimiser: OptimiserSettings
    evaluate_every: int
    seed: int


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training came to; `best_step` 0 means that no step improved on the start."""

    steps: int
    seconds: float
    tokens: int
    best_step: int
    best: Mapping[str, float]


def num_steps(num_groups: int, *, optimiser: OptimiserSettings) -> int:
    """Return how many optimiser steps a training takes; the last batch of an epoch may be smaller."""
    return -(-num_groups // optimiser.batch_pairs) * optimiser.epochs


def batches(num_groups: int, *, schedule: Schedule) -> Iterator[list[int]]:
    """Yield the groups of each step; every epoch is a new permutation that only the seed decides."""
    rng = np.random.default_rng(schedule.seed)
    size = schedule.optimiser.batch_pairs
    for _ in range(schedule.optimiser.epochs):
        order = rng.permutation(num_groups).tolist()
        for start in range(0, num_groups, size):
            yield order[start : start + size]


def make_optimiser(model: nn.Module, *, optimiser: OptimiserSettings) -> torch.optim.AdamW:
    """Return AdamW over what is trained in `model`; vectors (norms, biases) are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim >= 2], "weight_decay": optimiser.weight_decay},
        {"params": [each for each in trained if each.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optimiser.learning_rate, betas=optimiser.betas)


def warmed_up(step: int, *, warmup_steps: int) -> float:
    """Return the share of the peak rate at `step` (from 1): linear up to `warmup_steps`, then constant."""
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


def fit(
    model: nn.Module,
    objective: Objective,
    *,
    schedule: Schedule,
    on_metrics: Callable[[Mapping[str, float]], None],
    advance: Callable[[int], None],
) -> FitResult:
    """Train `model` in place and leave it with the weights of the lowest validation loss.

    `on_metrics` gets `step`, the running `train_loss` and the validation metrics; `advance` counts groups. The model
    stays in the mode it is in: one loaded for evaluation trains without dropout. Raises RunError when the validation
    loss is not finite at the start.
    """
    began = time.monotonic()
    optimiser = make_optimiser(model, optimiser=schedule.optimiser)
    parameters = [each for group in optimiser.param_groups for each in group["params"]]
    best_step, best = 0, objective.evaluate()
    if not math.isfinite(best["loss"]):
        raise RunError(
            f"the validation loss is {best['loss']} before the first step, so no step could ever be kept; check the"
            " model's weights and the labels"
        )
    kept = _copy(parameters)
    on_metrics({"step": 0, **best})
    last_step = num_steps(len(objective.weights), optimiser=schedule.optimiser)
    losses: list[float] = []
    tokens = 0
    for step, batch in enumerate(batches(len(objective.weights), schedule=schedule), start=1):
        rate = schedule.optimiser.learning_rate * warmed_up(step, warmup_steps=schedule.optimiser.warmup_steps)
        losses.append(_step(optimiser, objective, batch, rate=rate, clip_norm=schedule.optimiser.clip_norm))
        tokens += sum(objective.tokens[index] for index in batch)
        advance(len(batch))
        if step % schedule.evaluate_every == 0 or step == last_step:
            found = objective.evaluate()
            on_metrics({"step": step, "train_loss": sum(losses) / len(losses), "learning_rate": rate, **found})
            losses = []
            if found["loss"] < best["loss"]:
                best_step, best, kept = step, found, _copy(parameters)
    _restore(parameters, kept)
    return FitResult(last_step, time.monotonic() - began, tokens, best_step, best)


def _step(
    optimiser: torch.optim.AdamW, objective: Objective, batch: Sequence[int], *, rate: float, clip_norm: float
) -> float:
    # a batch without a single label has a loss of zero, not of zero divided by zero
    total = sum(objective.weights[index] for index in batch) or 1.0
    optimiser.zero_grad(set_to_none=True)
    loss_sum = 0.0
    for index in batch:
        loss = objective.loss_of(index) / total
        loss.backward()
        loss_sum += loss.item()
    for group in optimiser.param_groups:
        group["lr"] = rate
    torch.nn.utils.clip_grad_norm_([each for group in optimiser.param_groups for each in group["params"]], clip_norm)
    optimiser.step()
    return loss_sum


def _copy(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _restore(parameters: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
