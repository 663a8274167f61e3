"""Train a regression reward model on rated groups: the head starts at a ridge probe, then layers move with it.

Shapes: N responses of a group, A attributes, B responses of many groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel

from steersman.engine.fit import FitResult, Objective, Schedule, fit
from steersman.modeling.chat import Group
from steersman.modeling.evaluating import evaluating
from steersman.modeling.packing import Packed
from steersman.modeling.states import TrainingStates
from steersman.reward.head import ridge_head
from steersman.reward.losses import num_labels, regression_loss


@dataclass(frozen=True, slots=True)
class RatedGroup:
    """A group and its labels, (N, A) float32, NaN where there is none."""

    group: Group
    labels: torch.Tensor


def predictions(model: PreTrainedModel, packed: Packed, states_TD: torch.Tensor) -> torch.Tensor:
    """Return the outputs read at the last token of each response, (N, A) float32."""
    last = torch.tensor([end - 1 for end in packed.ends], device=states_TD.device)
    head = cast(nn.Linear, model.score)
    return nn.functional.linear(states_TD[last].float(), head.weight.float())


def train(
    states: TrainingStates,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    schedule: Schedule,
    on_metrics: Callable[[Mapping[str, float]], None],
    advance: Callable[[int], None],
) -> FitResult:
    """Train `states.model` in place; `states.groups` are the training groups followed by the validation groups."""
    model = states.model
    _start_head(states, training)
    offset = len(training)

    def loss_of(index: int) -> torch.Tensor:
        packed, states_TD = states.of(index)
        return regression_loss(predictions(model, packed, states_TD), training[index].labels.to(states_TD.device))

    def evaluate() -> Mapping[str, float]:
        with evaluating(model):
            found = [predictions(model, *states.of(offset + index)).cpu() for index in range(len(validation))]
        return validation_metrics(found, [each.labels for each in validation])

    objective = Objective(
        loss_of,
        evaluate,
        weights=[num_labels(each.labels) for each in training],
        tokens=[each.group.num_tokens for each in training],
    )
    return fit(model, objective, schedule=schedule, on_metrics=on_metrics, advance=advance)


def _start_head(states: TrainingStates, training: Sequence[RatedGroup]) -> None:
    model = states.model
    rows = []
    with evaluating(model):
        for index in range(len(training)):
            packed, states_TD = states.of(index)
            rows.append(states_TD[torch.tensor([end - 1 for end in packed.ends])].float().cpu())
        labels_BA = torch.cat([each.labels for each in training])
        head = cast(nn.Linear, model.score)
        head.weight.copy_(ridge_head(torch.cat(rows), labels_BA))


def validation_metrics(outputs: Sequence[torch.Tensor], labels: Sequence[torch.Tensor]) -> dict[str, float]:
    """Return the mean squared error as "loss", and the share of untied pairs whose first attribute is ranked right.

    Groups of other than two responses do not count as pairs; a tied prediction is wrong.
    """
    count = sum(num_labels(each) for each in labels)
    error = sum(regression_loss(each, label).item() for each, label in zip(outputs, labels, strict=True))
    metrics = {"loss": error / count}
    pairs = [(out[:, 0], label[:, 0]) for out, label in zip(outputs, labels, strict=True) if len(out) == 2]
    # a missing label makes the gap NaN, which is not above zero either
    right = [
        ((out[0] - out[1]) * (label[0] - label[1])).item() > 0
        for out, label in pairs
        if (label[0] - label[1]).abs() > 0
    ]
    if right:
        metrics["accuracy"] = sum(right) / len(right)
    return metrics
