"""One optimiser step: rows within a token budget, over all processes, and AdamW."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from steersman.config.sections import OptimiserSettings
from steersman.engine.batching import micro_batches, shares
from steersman.engine.objective import Objective, Schedule
from steersman.engine.processes import add_up_gradients, num_processes, rank, total
from steersman.engine.sharding import is_split, whole_value
from steersman.modeling.rows import autocast


def make_optimiser(model: nn.Module, *, optimiser: OptimiserSettings) -> torch.optim.AdamW:
    """Return AdamW over what is trained in `model`.

    Vectors (norms, biases) are not decayed, nor is anything in a module that says `holds_biases`.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    biases = {
        parameter
        for module in model.modules()
        if getattr(module, "holds_biases", False)
        for parameter in module.parameters()
    }
    decayed = [each for each in trained if each.ndim >= 2 and each not in biases]
    others = [each for each in trained if each.ndim < 2 or each in biases]
    groups = [
        {"params": decayed, "weight_decay": optimiser.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # fused: one pass over weights, gradients and moments, and no intermediate result as large as the largest weight
    return torch.optim.AdamW(groups, lr=optimiser.learning_rate, betas=optimiser.betas, fused=True)


def parameters_of(optimiser: torch.optim.AdamW) -> list[torch.Tensor]:
    """Return what `optimiser` moves."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def take_step(
    optimiser: torch.optim.AdamW, objective: Objective, batch: Sequence[int], *, rate: float, schedule: Schedule
) -> tuple[float, float]:
    """Take one optimiser step on the groups `batch`; return its loss and the gradient's norm before clipping.

    Every process computes a part of the batch, and both numbers are of the whole. Weights and moments stay as they are
    when the norm is not finite: no later step could bring them back.
    """
    parameters = parameters_of(optimiser)
    optimiser.zero_grad(set_to_none=True)
    loss = total(_backward(parameters, objective, batch, schedule=schedule))
    if not is_split(parameters[0]):
        # a split model adds them up itself, row by row
        add_up_gradients(parameters)
    for group in optimiser.param_groups:
        group["lr"] = rate
    norm = whole_value(torch.nn.utils.clip_grad_norm_(parameters, schedule.optimiser.clip_norm)).item()
    if math.isfinite(norm):
        optimiser.step()
    return loss, norm


def _backward(
    parameters: Sequence[torch.Tensor], objective: Objective, batch: Sequence[int], *, schedule: Schedule
) -> float:
    """Add the gradient of this process's part of the batch, and return its part of the loss."""
    # a batch without a single label has a loss of zero, not of zero divided by zero
    totals_K = objective.weights[list(batch)].sum(dim=0)
    shares_K = torch.tensor(objective.coefficients) / torch.where(totals_K > 0, totals_K, 1.0)
    rows, num_empty = _rows_of_process(objective, batch, budget=schedule.engine.micro_batch_tokens)
    loss_sum = 0.0
    with autocast(parameters[0].device, precision=schedule.precision):
        for indices in rows:
            terms_K = objective.loss_of(indices)
            # no product of vectors: autocast would round the loss and its gradient to bfloat16
            loss = (terms_K * shares_K.to(terms_K)).sum()
            loss.backward()
            loss_sum += loss.item()
        if is_split(parameters[0]):
            shortest = min(batch, key=lambda index: objective.tokens[index])
            for _ in range(num_empty):
                (objective.loss_of([shortest]).sum() * 0.0).backward()
    return loss_sum


def _rows_of_process(objective: Objective, batch: Sequence[int], *, budget: int) -> tuple[list[list[int]], int]:
    """Return the rows of this process, and how many fewer they are than those of the process that has the most."""
    tokens = objective.tokens
    parts = shares(batch, tokens=tokens, num_processes=num_processes())
    rows = [micro_batches(part, tokens=tokens, budget=budget) for part in parts]
    mine = rows[rank()]
    return mine, max(len(each) for each in rows) - len(mine)
