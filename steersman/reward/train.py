"""Train a reward model on groups: the head starts where a probe of the frozen model ends, then layers move with it.

A head that starts at zero spends its first steps learning the mean label, and disturbs the layers below meanwhile.
Starting from the probe avoids both (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features", LP-FT).
Shapes: N responses of a group, B responses of many groups, A attributes, K terms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from steersman.engine.batching import micro_batches
from steersman.engine.fit import FitResult, fit
from steersman.engine.objective import Objective, Reports, Schedule
from steersman.engine.processes import of_first, shared_out
from steersman.engine.sharding import assign
from steersman.modeling.evaluating import evaluating
from steersman.modeling.precision import Precision
from steersman.modeling.rows import GroupRows, autocast
from steersman.reward.heads import Head, Outputs
from steersman.reward.model import RewardModel
from steersman.reward.probe import Probe, fit_probe
from steersman.reward.probe_data import probe_data
from steersman.reward.terms import RatedGroup, Terms, ranked_right, targets_of


@dataclass(frozen=True, slots=True)
class RatedRows:
    """Groups to train on, groups to choose the step by, and the rows of them: training first, then validation."""

    rows: GroupRows
    training: Sequence[RatedGroup]
    validation: Sequence[RatedGroup]


def train(model: RewardModel, data: RatedRows, *, terms: Terms, schedule: Schedule, reports: Reports) -> FitResult:
    """Train `model` in place and leave it with the weights of the lowest validation loss.

    Every term must count something in both parts.
    """
    rows, training, validation = data.rows, data.training, data.validation
    offset, budget = len(training), schedule.engine.micro_batch_tokens

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        outputs: Outputs = model(rows.of(indices))
        targets = targets_of([training[index] for index in indices])
        return terms.losses(outputs, targets.to(outputs.raw.device))

    def evaluate() -> Mapping[str, float]:
        numbers = range(offset, offset + len(validation))
        outputs = predictions(model, rows, numbers, budget=budget, precision=schedule.precision)
        return validation_metrics(outputs, validation, terms=terms)

    objective = Objective(
        loss_of,
        evaluate,
        weights=torch.stack([terms.counts(targets_of([each])) for each in training]),
        tokens=[each.group.num_tokens for each in training],
        coefficients=terms.coefficients,
    )
    return fit(model, objective, schedule=schedule, reports=reports)


def start_head(model: RewardModel, data: RatedRows, *, terms: Terms, budget: int, precision: Precision) -> Probe:
    """Set the head of `model` to the probe of its states on the training groups, and return the probe."""
    head = model.head
    # in place of the head, so that the states come out of the forward pass that a split model is put together for
    model.head = cast(Head, _States())
    try:
        states = predictions(model, data.rows, range(len(data.training)), budget=budget, precision=precision)
    finally:
        model.head = head
    if states.gates is None:
        raise AssertionError("states without those of prompts")
    probe = of_first(fit_probe(probe_data(data.training, states.raw, states.gates), terms=terms))
    found = probe.head.state_dict()
    for name, parameter in head.named_parameters():
        assign(parameter, found[name])
    return probe


class _States(nn.Module):
    """Gives the states that a head would read: of responses as `raw`, of prompts as `gates`."""

    def forward(self, responses_ND: torch.Tensor, prompts_ND: torch.Tensor) -> Outputs:
        return Outputs(responses_ND, gates=prompts_ND)


def predictions(
    model: RewardModel, rows: GroupRows, numbers: Sequence[int], *, budget: int, precision: Precision
) -> Outputs:
    """Return the outputs for all responses of the groups called by number, in order, on the CPU.

    Groups share rows of `budget` tokens, which processes that train together share out.
    """
    packed = micro_batches(numbers, tokens=[group.num_tokens for group in rows.groups], budget=budget)
    lengths = {place: sum(rows.groups[number].num_tokens for number in row) for place, row in enumerate(packed)}
    with evaluating(model), autocast(rows.device, precision=precision):
        made = shared_out(lambda place: _on_cpu(model(rows.of(packed[place]))), tokens=lengths)
    order = [number for row in packed for number in row]
    return Outputs(
        _in_order([each.raw for each in made], order, rows, wanted=numbers),
        thresholds=made[0].thresholds,
        gates=_in_order([each.gates for each in made if each.gates is not None], order, rows, wanted=numbers)
        if made[0].gates is not None
        else None,
        tie_thresholds=made[0].tie_thresholds,
    )


def _on_cpu(outputs: Outputs) -> Outputs:
    raw, *rest = outputs
    return Outputs(raw.cpu(), *(None if each is None else each.cpu() for each in rest))


def _in_order(
    parts: Sequence[torch.Tensor], order: Sequence[int], rows: GroupRows, *, wanted: Sequence[int]
) -> torch.Tensor:
    """Return the rows of `parts`, which are of the groups `order`, for the groups `wanted`."""
    sizes = [len(rows.groups[number].responses) for number in order]
    found = dict(zip(order, torch.cat(list(parts)).split(sizes), strict=True))
    return torch.cat([found[number] for number in wanted])


def validation_metrics(outputs: Outputs, groups: Sequence[RatedGroup], *, terms: Terms) -> dict[str, float]:
    """Return "loss", each term where there are several, and the "accuracy" of ranking untied pairs.

    A tied score is wrong; without an untied pair there is no accuracy.
    """
    targets = targets_of(groups)
    metrics = {"loss": terms.total(outputs, targets).item()}
    if len(terms.names) > 1:
        means_K = terms.losses(outputs, targets) / terms.counts(targets)
        metrics |= {f"validation_{name}": value for name, value in zip(terms.names, means_K.tolist(), strict=True)}
    ranked = ranked_right(terms.ranking(outputs), targets)
    if ranked["pairs"]:
        metrics["accuracy"] = ranked["right"] / ranked["pairs"]
    return metrics
