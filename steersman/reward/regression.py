"""Numbers per attribute, fitted by squared errors: the objective of HelpSteer2's published models.

Shapes: B responses, A attributes.
"""

import torch

from steersman.modeling.shapes import check_shape
from steersman.reward.labels import full_precision, weighted_sum


def regression_loss(
    predictions_BA: torch.Tensor, labels_BA: torch.Tensor, weights_BA: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the squared errors summed over the labels that are there, each times its weight, a scalar.

    A missing label is NaN. Divide by `total_weight` of the whole batch for the mean the paper minimises
    (HelpSteer2, section 3; NeMo-Aligner divides by the labels of the micro-batch, which weighs batches unevenly).
    """
    check_shape("labels_BA", labels_BA, *predictions_BA.shape)
    errors_BA = full_precision(predictions_BA) - full_precision(labels_BA)
    # chosen before it is squared: an untrained output may be anything, and would give 0 x inf in the backward pass
    return weighted_sum(torch.where(labels_BA.isnan(), 0.0, errors_BA).square(), labels_BA, weights_BA)
