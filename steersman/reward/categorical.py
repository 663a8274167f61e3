"""Levels as categories: a logit per level of each attribute, whose order the model is not told.

Shapes: B responses, A attributes, L levels 0..L-1.
"""

import torch

from steersman.modeling.shapes import check_shape
from steersman.reward.labels import full_precision, level_loss


def categorical_loss(
    logits_BAL: torch.Tensor, labels_BA: torch.Tensor, weights_BA: torch.Tensor | None = None
) -> torch.Tensor:
    """Return -log P(label) summed over the labels that are there, each times its weight, a scalar in nats.

    A missing label is NaN. A label between two levels counts on both, see `level_shares`. Divide by `total_weight` of
    the whole batch for the mean. Raises ValueError for a label outside 0..L-1.
    """
    check_shape("labels_BA", labels_BA, *logits_BAL.shape[:-1])
    return level_loss(categorical_log_probabilities(logits_BAL), labels_BA, weights_BA)


def categorical_probabilities(logits_BAL: torch.Tensor) -> torch.Tensor:
    """Return P(level | prompt, response), (B, A, L)."""
    return categorical_log_probabilities(logits_BAL).exp()


def categorical_log_probabilities(logits_BAL: torch.Tensor) -> torch.Tensor:
    """Return log P(level | prompt, response), (B, A, L)."""
    return full_precision(logits_BAL).log_softmax(dim=-1)
