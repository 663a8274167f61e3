"""Proportional odds: probabilities, and losses that stay exact where a difference of sigmoids would be zero."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from steersman.reward.labels import expected_levels
from steersman.reward.ordinal import ordinal_log_probabilities, ordinal_loss, ordinal_probabilities

MISSING = float("nan")
THRESHOLDS = torch.tensor([[-1.0, 0.0, 1.0, 2.0]])


def latent(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_probabilities_up_to_a_level_are_the_sigmoid_of_threshold_less_latent() -> None:
    found = ordinal_probabilities(latent(0.3), THRESHOLDS)[0, 0]
    expected = [1 / (1 + math.exp(-(threshold - 0.3))) for threshold in (-1.0, 0.0, 1.0, 2.0)]
    assert found.cumsum(0).tolist() == pytest.approx([*expected, 1.0])


@given(st.floats(-30, 30), st.lists(st.floats(0.01, 5), min_size=4, max_size=4))
def test_probabilities_are_the_differences_of_sigmoids(number: float, steps: list[float]) -> None:
    thresholds = torch.tensor([steps], dtype=torch.float64).cumsum(dim=1) - 5
    up_to = torch.sigmoid(thresholds - number)
    edges = torch.cat([torch.zeros(1, 1), up_to, torch.ones(1, 1)], dim=1)
    found = ordinal_probabilities(torch.tensor([[number]], dtype=torch.float64), thresholds)
    assert_close(found[0], edges.diff(dim=1), atol=1e-14, rtol=1e-9)


@pytest.mark.parametrize("far", [50.0, 300.0])
def test_far_latents_keep_their_logarithms_in_float32(far: float) -> None:
    # far below zero sigmoid(x) is e^x, so e^(t_k - far) - e^(t_(k-1) - far), and the mirror image
    within = math.log(1 - math.exp(-1.0))
    above = [-1 - far, within - far, 1 + within - far, 2 + within - far, 0.0]
    below = [0.0, 1 + within - far, within - far, -1 + within - far, -2 - far]
    found = ordinal_log_probabilities(latent(far, -far), THRESHOLDS)[:, 0]
    assert_close(found, torch.tensor([above, below]), atol=5e-5, rtol=0)


def test_far_latents_have_the_gradient_of_an_exponential() -> None:
    # where P(k) is proportional to e^-latent, its logarithm falls by one per latent
    latents = latent(50.0, -50.0).requires_grad_()
    ordinal_loss(latents, THRESHOLDS, latent(1.0, 3.0)).backward()
    assert_close(latents.grad, latent(1.0, -1.0))


def test_no_latent_makes_a_loss_or_a_gradient_infinite() -> None:
    latents = latent(-1e6, -50.0, 0.0, 50.0, 1e6).requires_grad_()
    thresholds = torch.tensor([[-1e3, -1e-3, 1e-3, 1e3]]).requires_grad_()
    for level in range(5):
        loss = ordinal_loss(latents, thresholds, torch.full((5, 1), float(level)))
        gradients = torch.autograd.grad(loss, [latents, thresholds])
        assert loss.isfinite()
        assert all(each.isfinite().all() for each in gradients)


def test_a_latent_on_the_first_threshold_costs_log_two_for_the_lowest_level() -> None:
    assert ordinal_loss(latent(-1.0), THRESHOLDS, latent(0.0)).item() == pytest.approx(math.log(2))


def test_a_mean_between_two_levels_counts_on_both() -> None:
    log_probabilities = ordinal_log_probabilities(latent(0.3), THRESHOLDS)[0, 0]
    expected = -(0.75 * log_probabilities[3] + 0.25 * log_probabilities[4])
    assert ordinal_loss(latent(0.3), THRESHOLDS, latent(3.25)).item() == pytest.approx(expected.item())


def test_attributes_have_thresholds_of_their_own() -> None:
    thresholds = torch.cat([THRESHOLDS, THRESHOLDS + 5])
    both = ordinal_probabilities(torch.tensor([[0.3, 5.3]]), thresholds)
    assert_close(both[:, 0], both[:, 1])


def test_missing_labels_cost_nothing_and_weights_multiply() -> None:
    latents = torch.tensor([[0.3, 0.4]])
    thresholds = torch.cat([THRESHOLDS, THRESHOLDS])
    weighed = ordinal_loss(latents, thresholds, torch.tensor([[MISSING, 2.0]]), torch.tensor([[9.0, 3.0]]))
    assert weighed.item() == pytest.approx(3 * ordinal_loss(latent(0.4), THRESHOLDS, latent(2.0)).item())


def test_the_expected_level_of_a_latent_amid_mirrored_thresholds_is_the_middle() -> None:
    thresholds = torch.tensor([[-3.0, -1.0, 1.0, 3.0]])
    assert expected_levels(ordinal_probabilities(latent(0.0), thresholds)).item() == pytest.approx(2.0)


def test_a_higher_latent_expects_a_higher_level() -> None:
    found = expected_levels(ordinal_probabilities(latent(-9.0, -1.0, 0.0, 1.0, 9.0), THRESHOLDS))[:, 0]
    assert (found.diff() > 0).all()


@pytest.mark.parametrize("thresholds", [[0.0, 0.0, 1.0, 2.0], [0.0, 2.0, 1.0, 3.0], [MISSING, 0.0, 1.0, 2.0]])
def test_thresholds_that_do_not_increase_are_refused(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="thresholds must increase"):
        ordinal_probabilities(latent(0.0), torch.tensor([thresholds]))


@pytest.mark.parametrize("label", [-0.5, 4.01, float("inf")])
def test_a_label_off_the_scale_is_refused(label: float) -> None:
    with pytest.raises(ValueError, match="labels lie between 0 and 4, got"):
        ordinal_loss(latent(0.0), THRESHOLDS, latent(label))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="labels_BA must have shape"):
        ordinal_loss(torch.zeros(2, 2), THRESHOLDS.expand(2, 4), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="thresholds_AL must have shape"):
        ordinal_probabilities(torch.zeros(2, 2), THRESHOLDS)
