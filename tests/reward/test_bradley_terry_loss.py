"""Bradley-Terry, with margin and scaled, against the numbers of the paper's formulas; ties are no pairs."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from steersman.reward.bradley_terry import bradley_terry_loss, margin_loss, scaled_loss, untied

CHOSEN, REJECTED, MARGIN = torch.tensor([1.0]), torch.tensor([0.2]), torch.tensor([2.0])
WithMargins = Callable[[Tensor, Tensor, Tensor], Tensor]


def cost(gap: float) -> float:
    """Return -log sigmoid(gap) in nats."""
    return math.log(1 + math.exp(-gap))


def test_the_three_losses_of_one_pair_are_those_of_the_formulas() -> None:
    # r_c = 1.0, r_r = 0.2, m = 2; the figures were worked out apart from this code
    assert bradley_terry_loss(CHOSEN, REJECTED).item() == pytest.approx(0.371101, abs=5e-7)
    assert margin_loss(CHOSEN, REJECTED, MARGIN).item() == pytest.approx(1.463282, abs=5e-7)
    assert scaled_loss(CHOSEN, REJECTED, MARGIN).item() == pytest.approx(0.742201, abs=1e-6)
    assert [cost(0.8), cost(0.8 - 2), 2 * cost(0.8)] == pytest.approx([0.371101, 1.463282, 0.742201], abs=1e-6)


def test_equal_scores_cost_log_two() -> None:
    one = torch.ones(1)
    assert_close(bradley_terry_loss(one, one), torch.tensor(2.0).log())


def test_losses_are_sums_over_pairs() -> None:
    chosen, rejected = torch.tensor([1.0, -1.0]), torch.tensor([0.2, 0.5])
    margins = torch.tensor([2.0, 1.0])
    assert bradley_terry_loss(chosen, rejected).item() == pytest.approx(cost(0.8) + cost(-1.5))
    assert margin_loss(chosen, rejected, margins).item() == pytest.approx(cost(-1.2) + cost(-2.5))
    assert scaled_loss(chosen, rejected, margins).item() == pytest.approx(2 * cost(0.8) + cost(-1.5))


def test_scaling_by_two_repeats_the_pair() -> None:
    twice = bradley_terry_loss(CHOSEN.repeat(2), REJECTED.repeat(2))
    assert_close(scaled_loss(CHOSEN, REJECTED, MARGIN), twice)


def test_the_gradient_is_the_chance_that_the_rejected_wins() -> None:
    chosen, rejected = CHOSEN.clone().requires_grad_(), REJECTED.clone().requires_grad_()
    bradley_terry_loss(chosen, rejected).backward()
    surprise = 1 / (1 + math.exp(0.8))
    assert_close(chosen.grad, torch.tensor([-surprise]))
    assert_close(rejected.grad, torch.tensor([surprise]))


def test_a_margin_asks_for_more_than_winning() -> None:
    assert margin_loss(MARGIN, torch.zeros(1), MARGIN).item() == pytest.approx(math.log(2))


def test_far_scores_stay_finite() -> None:
    far = torch.tensor([1e4])
    assert (bradley_terry_loss(-far, far).item(), bradley_terry_loss(far, -far).item()) == (2e4, 0.0)


def test_no_pairs_cost_nothing() -> None:
    none = torch.zeros(0)
    assert [bradley_terry_loss(none, none).item(), scaled_loss(none, none, none).item()] == [0.0, 0.0]


def test_ties_and_missing_strengths_prefer_nothing() -> None:
    strengths = torch.tensor([-3.0, 0.0, -0.0, 1.0, float("nan"), 0.5])
    assert untied(strengths).tolist() == [True, False, False, True, False, True]


@pytest.mark.parametrize("loss", [margin_loss, scaled_loss])
@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_tie_can_never_count_as_a_win(loss: WithMargins, margin: float) -> None:
    scores = torch.zeros(2)
    with pytest.raises(ValueError, match="margins must be above zero"):
        loss(scores, scores, torch.tensor([2.0, margin]))


def test_shapes_that_would_broadcast_are_refused() -> None:
    two, square = torch.ones(2), torch.ones(2, 1)
    with pytest.raises(ValueError, match="chosen_P must have shape"):
        bradley_terry_loss(square, square)
    with pytest.raises(ValueError, match="rejected_P must have shape"):
        bradley_terry_loss(two, square)
    with pytest.raises(ValueError, match="margins_P must have shape"):
        margin_loss(two, two, torch.ones(1))
