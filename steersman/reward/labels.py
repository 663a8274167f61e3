"""What objectives of labels share: which labels are there, how much each counts, and the levels they stand for.

A missing label is NaN; it costs nothing and moves nothing.
Shapes: B responses, A attributes, L levels.
"""

import torch

from steersman.modeling.shapes import check_shape


def num_labels(labels_BA: torch.Tensor) -> int:
    """Return how many labels are there."""
    return int((~labels_BA.isnan()).sum())


def total_weight(labels_BA: torch.Tensor, weights_BA: torch.Tensor | None = None) -> float:
    """Return the sum of the weights of the labels that are there, by which a summed loss becomes a mean.

    Without weights each label counts one.
    """
    if weights_BA is None:
        return float(num_labels(labels_BA))
    check_shape("weights_BA", weights_BA, *labels_BA.shape)
    return float(weights_BA[~labels_BA.isnan()].sum())


def weighted_sum(costs_BA: torch.Tensor, labels_BA: torch.Tensor, weights_BA: torch.Tensor | None) -> torch.Tensor:
    """Return the costs summed over the labels that are there, each times its weight, a scalar."""
    if weights_BA is not None:
        check_shape("weights_BA", weights_BA, *costs_BA.shape)
        costs_BA = costs_BA * weights_BA
    return torch.where(labels_BA.isnan(), 0.0, costs_BA).sum()


def level_shares(labels_BA: torch.Tensor, levels_L: torch.Tensor) -> torch.Tensor:
    """Return how much of each label lies on each of neighbouring whole levels, (B, A, L): one in sum.

    A whole label lies on its level. A mean of ratings such as 3.33 lies on its two neighbours, 0.67 on 3 and 0.33 on 4:
    the narrowest distribution over levels with that mean, and the very ratings where they were 3, 3 and 4. Rounding
    would move the label instead. A missing label has zeros. Raises ValueError for a label outside the levels.
    """
    is_outside = (labels_BA < levels_L[0]) | (labels_BA > levels_L[-1])
    if is_outside.any():
        wrong = labels_BA[is_outside][0].item()
        raise ValueError(f"labels lie between {levels_L[0].item():g} and {levels_L[-1].item():g}, got {wrong:g}")
    return (1 - (labels_BA[..., None] - levels_L).abs()).clamp(min=0).nan_to_num(nan=0.0)


def level_loss(
    log_probabilities_BAL: torch.Tensor,
    labels_BA: torch.Tensor,
    weights_BA: torch.Tensor | None = None,
    *,
    lowest: int = 0,
) -> torch.Tensor:
    """Return the cross-entropy between the shares of labels and P(level), summed over labels, a scalar in nats.

    The first level is `lowest`.
    """
    check_shape("labels_BA", labels_BA, *log_probabilities_BAL.shape[:-1])
    labels_BA = full_precision(labels_BA)
    levels_L = torch.arange(log_probabilities_BAL.shape[-1], dtype=labels_BA.dtype, device=labels_BA.device) + lowest
    shares_BAL = level_shares(labels_BA, levels_L)
    return weighted_sum(-(shares_BAL * log_probabilities_BAL).sum(dim=-1), labels_BA, weights_BA)


def expected_levels(probabilities_BAL: torch.Tensor) -> torch.Tensor:
    """Return the level expected of each attribute, (B, A), between 0 and L - 1."""
    levels_L = torch.arange(probabilities_BAL.shape[-1], dtype=probabilities_BAL.dtype, device=probabilities_BAL.device)
    # a matrix product would round to bfloat16 inside autocast
    return (probabilities_BAL * levels_L).sum(dim=-1)


def full_precision(tensor: torch.Tensor) -> torch.Tensor:
    """Return `tensor` in float32, or as it is where it is finer."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
