"""Direct preference optimisation by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from steersman.align.dpo import margins_of, preference_metrics
from steersman.align.losses import dpo_loss, log_ratio_margin


def nats(*values: float) -> Tensor:
    return torch.tensor(values)


def test_the_margin_is_what_the_policy_gained_on_the_chosen_over_the_rejected() -> None:
    # the chosen response gained 1 nat on the reference, the rejected lost 2
    margin = log_ratio_margin(nats(-9.0), nats(-12.0), reference_chosen_B=nats(-10.0), reference_rejected_B=nats(-10.0))
    assert margin.tolist() == [3.0]


def test_the_loss_is_minus_log_sigmoid_of_the_scaled_margin() -> None:
    expected = -math.log(1 / (1 + math.exp(-1e-3 * 3)))
    assert dpo_loss(nats(3.0), beta=1e-3).tolist() == pytest.approx([expected])
    assert expected == pytest.approx(0.691648, abs=5e-7)


def test_a_policy_that_is_its_reference_costs_log_two() -> None:
    assert_close(dpo_loss(torch.zeros(3), beta=0.1), torch.full((3,), 2.0).log())


def test_extreme_margins_stay_finite() -> None:
    assert dpo_loss(nats(-1e4, 1e4), beta=1.0).tolist() == [1e4, 0.0]


def test_gradients_raise_the_chosen_and_lower_the_rejected() -> None:
    chosen, rejected = nats(-5.0).requires_grad_(), nats(-5.0).requires_grad_()
    margin = log_ratio_margin(chosen, rejected, reference_chosen_B=nats(-5.0), reference_rejected_B=nats(-5.0))
    dpo_loss(margin, beta=0.2).sum().backward()
    # d/dm -log sigmoid(beta m) = -beta / 2 at m = 0
    assert_close(chosen.grad, nats(-0.1))
    assert_close(rejected.grad, nats(0.1))


@pytest.mark.parametrize("wrong", ["rejected_B", "reference_chosen_B", "reference_rejected_B"])
def test_shapes_that_would_broadcast_are_refused(wrong: str) -> None:
    tensors = {name: torch.zeros(2) for name in ("rejected_B", "reference_chosen_B", "reference_rejected_B")}
    tensors[wrong] = torch.zeros(2, 1)
    with pytest.raises(ValueError, match=rf"{wrong} must have shape \(2,\)"):
        log_ratio_margin(torch.zeros(2), tensors.pop("rejected_B"), **tensors)


def test_the_margin_of_each_pair_is_read_from_its_two_logprobs() -> None:
    logprobs_P2, reference_P2 = (
        torch.tensor([[-9.0, -12.0], [-5.0, -1.0]]),
        torch.tensor([[-10.0, -10.0], [-5.0, -2.0]]),
    )
    assert margins_of(logprobs_P2, reference_P2).tolist() == [3.0, -1.0]


def test_metrics_count_a_margin_above_zero_as_right_and_zero_as_half() -> None:
    found = preference_metrics(nats(2.0, 0.0, -1.0, 3.0), beta=0.5)
    losses = [math.log(1 + math.exp(-0.5 * margin)) for margin in (2.0, 0.0, -1.0, 3.0)]
    assert found == pytest.approx({"loss": sum(losses) / 4, "accuracy": 0.625, "margin": 1.0})
