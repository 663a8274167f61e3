"""Masked squared errors against numbers done by hand."""

import pytest
import torch
from torch.testing import assert_close

from steersman.reward.labels import num_labels, total_weight
from steersman.reward.regression import regression_loss

MISSING = float("nan")
# nine outputs of NeMo-Aligner's models, of which HelpSteer2 labels the last five
PREDICTED = torch.tensor([[9.0, 9.0, 9.0, 9.0, 2.5, 3.5, 4.2, 1.5, 1.8]])
LABELS = torch.tensor([[MISSING] * 4 + [3.0, 4.0, 4.0, 2.0, 1.0]])


def test_squared_errors_are_summed_over_the_labels_that_are_there() -> None:
    squares = 0.5**2 + 0.5**2 + 0.2**2 + 0.5**2 + 0.8**2
    assert regression_loss(PREDICTED, LABELS).item() == pytest.approx(squares)
    assert num_labels(LABELS) == 5
    assert squares / 5 == pytest.approx(0.286)


def test_a_missing_label_has_no_gradient() -> None:
    predicted = PREDICTED.clone().requires_grad_()
    regression_loss(predicted, LABELS).backward()
    expected = torch.tensor([[0.0] * 4 + [-1.0, -1.0, 0.4, -1.0, 1.6]])
    assert_close(predicted.grad, expected)


def test_whatever_an_untrained_output_is_the_others_learn() -> None:
    predicted = torch.tensor([[float("inf"), 1.0]]).requires_grad_()
    regression_loss(predicted, torch.tensor([[MISSING, 3.0]])).backward()
    assert_close(predicted.grad, torch.tensor([[0.0, -4.0]]))


def test_no_labels_cost_nothing() -> None:
    labels = torch.full((2, 3), MISSING)
    assert (regression_loss(torch.ones(2, 3), labels).item(), num_labels(labels)) == (0.0, 0)


def test_a_label_of_weight_two_counts_as_two_labels() -> None:
    predicted, labels = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 4.0]])
    weights = torch.tensor([[2.0, 0.5]])
    assert regression_loss(predicted, labels, weights).item() == 2 * (1 - 3) ** 2 + 0.5 * (5 - 4) ** 2
    assert total_weight(labels, weights) == 2.5


def test_the_weight_of_a_missing_label_counts_nowhere() -> None:
    labels, weights = torch.tensor([[MISSING, 4.0]]), torch.tensor([[7.0, 2.0]])
    assert regression_loss(torch.zeros(1, 2), labels, weights).item() == 2 * 4**2
    assert total_weight(labels, weights) == 2.0


def test_without_weights_each_label_weighs_one() -> None:
    assert total_weight(LABELS) == 5.0


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2), (3, 2)])
def test_labels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="labels_BA must have shape"):
        regression_loss(torch.zeros(2, 2), torch.zeros(shape))


def test_weights_of_another_shape_are_refused() -> None:
    labels = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="weights_BA must have shape"):
        regression_loss(labels, labels, torch.ones(2, 1))
    with pytest.raises(ValueError, match="weights_BA must have shape"):
        total_weight(labels, torch.ones(2, 1))
