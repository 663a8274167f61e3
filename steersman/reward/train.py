"""Train a regression reward model on rated groups: the head starts at a ridge probe, then layers move with it.

Shapes: N responses of a group, A attributes, B responses of many groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from steersman.engine.fit import FitResult, Objective, Reports, Schedule, fit
from steersman.modeling.chat import Group
from steersman.modeling.evaluating import evaluating
from steersman.modeling.precision import Precision
from steersman.modeling.rows import GroupRows, autocast, states_of
from steersman.reward.head import ridge_head
from steersman.reward.heads import Outputs
from steersman.reward.labels import num_labels
from steersman.reward.model import RewardModel, read
from steersman.reward.regression import regression_loss


@dataclass(frozen=True, slots=True)
class RatedGroup:
    """A group and its labels, (N, A) float32, NaN where there is none."""

    group: Group
    labels: torch.Tensor


def train(
    model: RewardModel,
    rows: GroupRows,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    schedule: Schedule,
    reports: Reports,
) -> FitResult:
    """Train `model` in place; `rows` are of the training groups followed by the validation groups."""
    _start_head(model, rows, training, precision=schedule.precision)
    offset = len(training)

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        outputs: Outputs = model(rows.of(indices))
        labels = torch.cat([training[index].labels for index in indices])
        return regression_loss(outputs.raw, labels.to(outputs.raw.device))[None]

    def evaluate() -> Mapping[str, float]:
        with evaluating(model), autocast(rows.device, precision=schedule.precision):
            found = [model(rows.of([offset + index])).raw.cpu() for index in range(len(validation))]
        return validation_metrics(found, [each.labels for each in validation])

    objective = Objective(
        loss_of,
        evaluate,
        weights=torch.tensor([[float(num_labels(each.labels))] for each in training]),
        tokens=[each.group.num_tokens for each in training],
    )
    return fit(model, objective, schedule=schedule, reports=reports)


def _start_head(model: RewardModel, rows: GroupRows, training: Sequence[RatedGroup], *, precision: Precision) -> None:
    found = []
    with evaluating(model), autocast(rows.device, precision=precision):
        for index in range(len(training)):
            row = rows.of([index])
            states_TD = states_of(model.backbone, row, num_lower=model.num_lower)
            found.append(read(states_TD, row.packed, pooling=model.spec.pooling)[0].cpu())
    labels_BA = torch.cat([each.labels for each in training])
    with torch.no_grad():
        model.head.linear.weight.copy_(ridge_head(torch.cat(found), labels_BA))


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
