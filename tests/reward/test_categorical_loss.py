"""Levels as categories against logarithms done by hand and torch's own cross-entropy."""

import math

import pytest
import torch
from torch.testing import assert_close

from steersman.reward.categorical import categorical_log_probabilities, categorical_loss, categorical_probabilities
from steersman.reward.labels import expected_levels

MISSING = float("nan")
LOGITS = torch.linspace(-2, 3, 30).sin().view(2, 3, 5) * 3


def test_equal_logits_cost_log_five_whatever_the_label() -> None:
    loss = categorical_loss(torch.full((1, 3, 5), 7.0), torch.tensor([[0.0, 2.6, 4.0]]))
    assert loss.item() == pytest.approx(3 * math.log(5))


def test_whole_labels_cost_what_torch_says() -> None:
    labels = torch.tensor([[0.0, 1.0, 4.0], [3.0, 2.0, 2.0]])
    expected = torch.nn.functional.cross_entropy(LOGITS.flatten(0, 1), labels.long().flatten(), reduction="sum")
    assert_close(categorical_loss(LOGITS, labels), expected)


def test_a_mean_between_two_levels_counts_on_both() -> None:
    found = categorical_loss(LOGITS[:1, :1], torch.tensor([[10 / 3]]))
    log_probabilities = LOGITS[0, 0].log_softmax(0)
    assert_close(found, -(2 / 3 * log_probabilities[3] + 1 / 3 * log_probabilities[4]))


def test_missing_labels_cost_nothing_and_weights_multiply() -> None:
    labels, weights = torch.tensor([[MISSING, 2.0, MISSING]]), torch.tensor([[9.0, 3.0, MISSING]])
    alone = categorical_loss(LOGITS[:1, 1:2], torch.tensor([[2.0]]))
    assert_close(categorical_loss(LOGITS[:1], labels, weights), 3 * alone)


def test_a_missing_label_moves_nothing() -> None:
    logits = LOGITS.clone().requires_grad_()
    categorical_loss(logits, torch.full((2, 3), MISSING)).backward()
    assert_close(logits.grad, torch.zeros(2, 3, 5))


def test_probabilities_follow_their_logits() -> None:
    odds = categorical_probabilities(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 10.0]]]).log())
    assert_close(odds, torch.tensor([[[0.05, 0.1, 0.15, 0.2, 0.5]]]))


def test_the_expected_level_is_the_mean_of_levels() -> None:
    expected = 1 * 0.1 + 2 * 0.15 + 3 * 0.2 + 4 * 0.5
    assert expected_levels(torch.tensor([[[0.05, 0.1, 0.15, 0.2, 0.5]]])).item() == pytest.approx(expected)


def test_extreme_logits_stay_finite() -> None:
    found = categorical_log_probabilities(torch.tensor([[[1e4, 0.0, -1e4, 0.0, 0.0]]]))
    assert_close(found, torch.tensor([[[0.0, -1e4, -2e4, -1e4, -1e4]]]))


@pytest.mark.parametrize("label", [-1.0, 4.5])
def test_a_label_off_the_scale_is_refused(label: float) -> None:
    with pytest.raises(ValueError, match="labels lie between 0 and 4"):
        categorical_loss(torch.zeros(1, 1, 5), torch.tensor([[label]]))


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="labels_BA must have shape"):
        categorical_loss(LOGITS, torch.zeros(2, 1))
