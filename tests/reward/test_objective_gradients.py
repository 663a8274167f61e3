"""Every objective: its gradients equal finite differences, and half precision stays at the door."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from steersman.reward.bradley_terry import bradley_terry_loss, margin_loss, scaled_loss
from steersman.reward.categorical import categorical_loss
from steersman.reward.labels import full_precision
from steersman.reward.ordinal import ordinal_loss
from steersman.reward.preference_ordinal import preference_ordinal_loss
from steersman.reward.regression import regression_loss
from steersman.reward.scalarise import weighted_reward

MISSING = float("nan")
LABELS = torch.tensor([[0.0, 3.25], [MISSING, 4.0], [2.0, 1.5]])
WEIGHTS = torch.tensor([[0.5, 2.0], [1.0, 1.0], [1.5, 0.25]])
STRENGTHS = torch.tensor([-3.0, 0.0, MISSING, 1.5])
MARGINS = torch.tensor([1.0, 3.0, 2.0, 0.5])
Objective = Callable[..., Tensor]

# Each with the shapes of what it takes gradients by.
OBJECTIVES: dict[str, tuple[Objective, list[tuple[int, ...]]]] = {
    "regression": (lambda outputs: regression_loss(outputs, LABELS, WEIGHTS), [(3, 2)]),
    "ordinal": (lambda latents, steps: ordinal_loss(latents, increasing(steps), LABELS, WEIGHTS), [(3, 2), (2, 4)]),
    "categorical": (lambda logits: categorical_loss(logits, LABELS, WEIGHTS), [(3, 2, 5)]),
    "bradley-terry": (bradley_terry_loss, [(4,), (4,)]),
    "margin": (lambda chosen, rejected: margin_loss(chosen, rejected, MARGINS), [(4,), (4,)]),
    "scaled": (lambda chosen, rejected: scaled_loss(chosen, rejected, MARGINS), [(4,), (4,)]),
    "preference-ordinal": (
        lambda gaps, steps: preference_ordinal_loss(gaps, STRENGTHS, increasing(steps)),
        [(4,), (3,)],
    ),
}


def increasing(steps: Tensor) -> Tensor:
    return torch.nn.functional.softplus(full_precision(steps)).cumsum(dim=-1)


def drawn(name: str, *, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    shapes = OBJECTIVES[name][1]
    return [(3 * torch.randn(shape, generator=generator)).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_equal_finite_differences(name: str) -> None:
    assert torch.autograd.gradcheck(OBJECTIVES[name][0], drawn(name, dtype=torch.float64))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_outputs_in_bfloat16_are_summed_in_float32(name: str) -> None:
    half = drawn(name, dtype=torch.bfloat16)
    found = OBJECTIVES[name][0](*half)
    assert found.dtype == torch.float32
    expected = OBJECTIVES[name][0](*(each.detach().double() for each in half))
    assert found.item() == pytest.approx(expected.item(), rel=2e-6)


def test_autocast_does_not_round_a_reward() -> None:
    outputs, weights = torch.tensor([[1.001, 2.002]]), torch.tensor([0.65, 0.8])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = weighted_reward(outputs, weights)
    assert found.item() == pytest.approx(0.65 * 1.001 + 0.8 * 2.002, rel=1e-6)
