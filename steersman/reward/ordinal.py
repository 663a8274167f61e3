"""Levels by proportional odds: one latent number per attribute, cut into levels by thresholds (McCullagh 1980).

    P(y <= k) = sigmoid(threshold_k - latent)

Shapes: B responses, A attributes, L levels 0..L-1; of thresholds there are L - 1 per attribute, lowest first.
"""

import torch
from torch.nn.functional import logsigmoid, pad

from steersman.modeling.shapes import check_shape
from steersman.reward.labels import full_precision, level_loss


def ordinal_loss(
    latents_BA: torch.Tensor,
    thresholds_AL: torch.Tensor,
    labels_BA: torch.Tensor,
    weights_BA: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return -log P(label) summed over the labels that are there, each times its weight, a scalar in nats.

    A missing label is NaN. A label between two levels counts on both, see `level_shares`. Divide by `total_weight` of
    the whole batch for the mean. Raises ValueError for a label outside 0..L-1 or thresholds that do not increase.
    """
    check_shape("labels_BA", labels_BA, *latents_BA.shape)
    return level_loss(ordinal_log_probabilities(latents_BA, thresholds_AL), labels_BA, weights_BA)


def ordinal_probabilities(latents_BA: torch.Tensor, thresholds_AL: torch.Tensor) -> torch.Tensor:
    """Return P(level | prompt, response), (B, A, L). Raises ValueError for thresholds that do not increase."""
    return ordinal_log_probabilities(latents_BA, thresholds_AL).exp()


def ordinal_log_probabilities(latents_BA: torch.Tensor, thresholds_AL: torch.Tensor) -> torch.Tensor:
    """Return log P(level | prompt, response), (B, A, L): finite, with finite gradients, however far the latents are.

    Raises ValueError for thresholds that do not increase.
    """
    latents_BA, thresholds_AL = full_precision(latents_BA), full_precision(thresholds_AL)
    check_shape("thresholds_AL", thresholds_AL, latents_BA.shape[1], thresholds_AL.shape[-1])
    widths_A = thresholds_AL.diff(dim=-1)
    if not (widths_A > 0).all():
        raise ValueError(f"thresholds must increase, got {thresholds_AL.tolist()}")
    gaps_BA = thresholds_AL - latents_BA[..., None]
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - e^(a - b)): no difference of two numbers near one
    below, above = pad(logsigmoid(gaps_BA), (0, 1)), pad(logsigmoid(-gaps_BA), (1, 0))
    return below + above + pad((-(-widths_A).expm1()).log(), (1, 1))
