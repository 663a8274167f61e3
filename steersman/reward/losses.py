"""The objectives of reward models.

Shapes: B responses, A attributes.
"""

import torch

from steersman.modeling.shapes import check_shape


def regression_loss(predictions_BA: torch.Tensor, labels_BA: torch.Tensor) -> torch.Tensor:
    """Return the squared errors summed over the labels that are there, a scalar.

    A missing label is NaN. Divide by `num_labels` of the whole batch for the mean the paper minimises
    (HelpSteer2, section 3; NeMo-Aligner divides by the labels of the micro-batch, which weighs batches unevenly).
    """
    check_shape("labels_BA", labels_BA, *predictions_BA.shape)
    is_labelled = ~labels_BA.isnan()
    errors_BA = torch.where(is_labelled, predictions_BA - labels_BA.nan_to_num(), 0.0)
    return errors_BA.square().sum()


def num_labels(labels_BA: torch.Tensor) -> int:
    """Return how many labels are there."""
    return int((~labels_BA.isnan()).sum())


def weighted_reward(outputs_BA: torch.Tensor, weights_A: torch.Tensor) -> torch.Tensor:
    """Return the scalar rewards, (B,): the weighted sum of attributes (HelpSteer2 paper, 4.3 and appendix H)."""
    check_shape("weights_A", weights_A, outputs_BA.shape[1])
    return outputs_BA @ weights_A
