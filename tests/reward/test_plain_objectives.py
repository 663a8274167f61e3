"""Bradley-Terry and regression against plain loops over numbers, with gradients worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from steersman.reward.bradley_terry import bradley_terry_loss, margin_loss, scaled_loss
from steersman.reward.regression import regression_loss

Numbers = list[float]


def plain_pairs(
    chosen: Numbers, rejected: Numbers, *, margins: Numbers, scales: Numbers
) -> tuple[float, Numbers, Numbers]:
    """Return the loss and its gradients by chosen and rejected scores: scale x -log sigmoid(gap - margin)."""
    loss, by_chosen, by_rejected = 0.0, [], []
    for better, worse, margin, scale in zip(chosen, rejected, margins, scales, strict=True):
        probability = 1 / (1 + math.exp(-(better - worse - margin)))
        loss -= scale * math.log(probability)
        by_chosen.append(-scale * (1 - probability))
        by_rejected.append(scale * (1 - probability))
    return loss, by_chosen, by_rejected


def plain_regression(predictions: list[Numbers], labels: list[Numbers]) -> tuple[float, list[Numbers]]:
    """Return the summed squared errors of the labels that are there, and the gradient by predictions."""
    loss, gradients = 0.0, []
    for row, label_row in zip(predictions, labels, strict=True):
        gradients.append([0.0] * len(row))
        for place, (prediction, label) in enumerate(zip(row, label_row, strict=True)):
            if not math.isnan(label):
                loss += (prediction - label) ** 2
                gradients[-1][place] = 2 * (prediction - label)
    return loss, gradients


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def gradients_of(loss: Tensor, *by: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, by))


@pytest.mark.parametrize("kind", ["regular", "margin", "scaled"])
def test_pairs_cost_what_a_plain_loop_says(kind: str) -> None:
    chosen, rejected = drawn(12, seed=1), drawn(12, seed=2)
    strengths = torch.tensor([1.0, 2.0, 3.0] * 4)
    ones, zeros = [1.0] * 12, [0.0] * 12
    loss, margins, scales = {
        "regular": (bradley_terry_loss(chosen, rejected), zeros, ones),
        "margin": (margin_loss(chosen, rejected, strengths), strengths.tolist(), ones),
        "scaled": (scaled_loss(chosen, rejected, strengths), zeros, strengths.tolist()),
    }[kind]
    expected, *by = plain_pairs(chosen.tolist(), rejected.tolist(), margins=margins, scales=scales)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    for found, plain in zip(gradients_of(loss, chosen, rejected), by, strict=True):
        assert found.tolist() == pytest.approx(plain, rel=1e-4, abs=1e-7)


def test_regression_costs_what_a_plain_loop_says() -> None:
    predictions = drawn(8, 5, seed=3)
    labels = torch.randint(0, 5, (8, 5), generator=torch.Generator().manual_seed(4)).float()
    labels[labels == 2] = float("nan")
    loss = regression_loss(predictions, labels)
    expected, by_predictions = plain_regression(predictions.tolist(), labels.tolist())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    (found,) = gradients_of(loss, predictions)
    assert found.flatten().tolist() == pytest.approx([each for row in by_predictions for each in row], rel=1e-5)
