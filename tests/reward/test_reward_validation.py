"""Metrics of a validation set against numbers done by hand."""

import pytest
import torch
from torch import Tensor

from steersman.reward.train import validation_metrics

MISSING = float("nan")


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


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
