"""Strengths of preference as ordered levels: ties pull scores together, and the order of a pair means nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from steersman.reward.preference_ordinal import preference_log_probabilities, preference_ordinal_loss

THRESHOLDS = torch.tensor([0.5, 1.5, 2.5])
GAPS = st.floats(-100, 100, width=32)


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


def test_each_strength_lies_between_its_two_thresholds() -> None:
    edges = [sigmoid(threshold - 0.3) for threshold in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)]
    expected = [high - low for low, high in zip([0.0, *edges], [*edges, 1.0], strict=True)]
    found = preference_log_probabilities(torch.tensor([0.3]), THRESHOLDS).exp()[0]
    assert found.tolist() == pytest.approx(expected)


def test_a_strength_costs_minus_the_logarithm_of_its_probability() -> None:
    log_probabilities = preference_log_probabilities(torch.tensor([0.3]), THRESHOLDS)[0]
    for strength in range(-3, 4):
        loss = preference_ordinal_loss(torch.tensor([0.3]), torch.tensor([float(strength)]), THRESHOLDS)
        assert_close(loss, -log_probabilities[strength + 3])


@given(GAPS, st.floats(-3, 3, width=32))
def test_exchanging_the_responses_and_the_sign_changes_no_bit(gap: float, strength: float) -> None:
    one = preference_ordinal_loss(torch.tensor([gap]), torch.tensor([strength]), THRESHOLDS)
    other = preference_ordinal_loss(torch.tensor([-gap]), torch.tensor([-strength]), THRESHOLDS)
    assert one.item() == other.item()


@given(GAPS, GAPS, st.integers(-3, 3))
def test_exchanging_the_responses_mirrors_the_gradient(gap: float, more: float, strength: int) -> None:
    gaps = torch.tensor([gap, more]).requires_grad_()
    mirrored = (-gaps).detach().requires_grad_()
    preference_ordinal_loss(gaps, torch.full((2,), float(strength)), THRESHOLDS).backward()
    preference_ordinal_loss(mirrored, torch.full((2,), -float(strength)), THRESHOLDS).backward()
    assert gaps.grad is not None
    assert mirrored.grad is not None
    assert torch.equal(gaps.grad, -mirrored.grad)


@pytest.mark.parametrize(("gap", "sign"), [(2.0, 1.0), (0.0, 0.0), (-2.0, -1.0)])
def test_a_tie_pulls_the_scores_together(gap: float, sign: float) -> None:
    gaps = torch.tensor([gap]).requires_grad_()
    preference_ordinal_loss(gaps, torch.zeros(1), THRESHOLDS).backward()
    assert gaps.grad is not None
    assert torch.sign(gaps.grad).item() == sign


def test_a_mean_strength_counts_on_both_neighbours() -> None:
    gap = torch.tensor([0.3])
    costs = [preference_ordinal_loss(gap, torch.tensor([strength]), THRESHOLDS) for strength in (-2.0, -1.0)]
    found = preference_ordinal_loss(gap, torch.tensor([-1.75]), THRESHOLDS)
    assert_close(found, 0.75 * costs[0] + 0.25 * costs[1])


def test_a_pair_that_nobody_could_judge_costs_nothing() -> None:
    both = preference_ordinal_loss(torch.tensor([0.3, 9.0]), torch.tensor([1.0, float("nan")]), THRESHOLDS)
    assert_close(both, preference_ordinal_loss(torch.tensor([0.3]), torch.tensor([1.0]), THRESHOLDS))


@pytest.mark.parametrize("strength", [3.5, -4.0])
def test_a_strength_off_the_scale_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="labels lie between -3 and 3"):
        preference_ordinal_loss(torch.zeros(1), torch.tensor([strength]), THRESHOLDS)


@pytest.mark.parametrize("thresholds", [[0.0, 1.0, 2.0], [-0.5, 1.0, 2.0], [0.5, 2.0, 1.0]])
def test_thresholds_must_be_positive_and_increase(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="thresholds must increase"):
        preference_log_probabilities(torch.zeros(1), torch.tensor(thresholds))


def test_shapes_that_would_broadcast_are_refused() -> None:
    two = torch.zeros(2)
    with pytest.raises(ValueError, match="gaps_P must have shape"):
        preference_ordinal_loss(two[:, None], two, THRESHOLDS)
    with pytest.raises(ValueError, match="strengths_P must have shape"):
        preference_ordinal_loss(two, two[:, None], THRESHOLDS)
    with pytest.raises(ValueError, match="thresholds must have shape"):
        preference_ordinal_loss(two, two, torch.tensor([1.0, 2.0]))
