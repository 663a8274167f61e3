"""Objectives and metrics of reward models against numbers done by hand."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS
from steersman.reward.losses import num_labels, regression_loss, weighted_reward
from steersman.reward.train import validation_metrics

MISSING = float("nan")
# nine outputs of NeMo-Aligner's models, of which HelpSteer2 labels the last five
PREDICTED = torch.tensor([[9.0, 9.0, 9.0, 9.0, 2.5, 3.5, 4.2, 1.5, 1.8]])
LABELS = torch.tensor([[MISSING] * 4 + [3.0, 4.0, 4.0, 2.0, 1.0]])


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


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


def test_no_labels_cost_nothing() -> None:
    labels = torch.full((2, 3), MISSING)
    assert (regression_loss(torch.ones(2, 3), labels).item(), num_labels(labels)) == (0.0, 0)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2), (3, 2)])
def test_labels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="labels_BA must have shape"):
        regression_loss(torch.zeros(2, 2), torch.zeros(shape))


def test_goodness_weighs_helpfulness_correctness_and_coherence() -> None:
    weights = torch.tensor([GOODNESS_WEIGHTS.get(name, 0.0) for name in ATTRIBUTES])
    expected = 0.65 * 2.5 + 0.8 * 3.5 + 0.45 * 4.2
    assert weighted_reward(PREDICTED[:, 4:], weights).tolist() == pytest.approx([expected])
    assert expected == pytest.approx(6.315)


def test_the_published_70b_weights_give_the_published_scalar() -> None:
    # HelpSteer2 paper, appendix H: weights tuned on RewardBench, verbosity counts against a response
    weights = torch.tensor([0.65, 0.8, 0.45, 0.55, -0.4])
    assert weighted_reward(PREDICTED[:, 4:], weights).tolist() == pytest.approx([6.42])


def test_each_response_has_its_own_reward() -> None:
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert weighted_reward(outputs, torch.tensor([10.0, 1.0])).tolist() == [12.0, 34.0]


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1)])
def test_weights_of_another_number_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="weights_A must have shape"):
        weighted_reward(torch.zeros(4, 2), torch.zeros(shape))


def test_validation_loss_is_the_mean_over_all_labels() -> None:
    outputs = [torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.0, 5.0]])]
    labels = [torch.tensor([[0.0, 3.0], [1.0, MISSING]]), torch.tensor([[4.0, 5.0]])]
    assert validation_metrics(outputs, labels)["loss"] == pytest.approx((1 + 4 + 0 + 16 + 0) / 5)


def test_validation_accuracy_counts_pairs_ranked_right_on_the_first_attribute() -> None:
    outputs = [column(2.0, 1.0), column(1.0, 2.0), column(0.1, 0.3)]
    labels = [column(4.0, 0.0), column(4.0, 0.0), column(1.0, 2.0)]
    assert validation_metrics(outputs, labels)["accuracy"] == pytest.approx(2 / 3)


def test_a_tied_label_is_no_pair_and_a_tied_prediction_is_wrong() -> None:
    outputs = [column(2.0, 1.0), column(1.0, 1.0), column(2.0, 1.0)]
    labels = [column(3.0, 3.0), column(4.0, 0.0), column(1.0, 0.0)]
    assert validation_metrics(outputs, labels)["accuracy"] == pytest.approx(1 / 2)


def test_a_pair_with_a_missing_label_is_no_pair() -> None:
    outputs = [column(2.0, 1.0), column(2.0, 1.0)]
    labels = [column(MISSING, 3.0), column(1.0, 0.0)]
    assert validation_metrics(outputs, labels)["accuracy"] == 1.0


def test_groups_of_other_than_two_are_no_pairs() -> None:
    outputs = [column(1.0, 2.0, 3.0), column(2.0)]
    labels = [column(3.0, 2.0, 1.0), column(1.0)]
    assert "accuracy" not in validation_metrics(outputs, labels)
