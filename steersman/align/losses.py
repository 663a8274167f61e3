"""The objectives of alignment.

Shapes: B pairs. Log-probabilities are sums over a response's tokens, in nats.
"""

import torch

from steersman.modeling.shapes import check_shape


def log_ratio_margin(
    chosen_B: torch.Tensor,
    rejected_B: torch.Tensor,
    *,
    reference_chosen_B: torch.Tensor,
    reference_rejected_B: torch.Tensor,
) -> torch.Tensor:
    """Return how much more than the reference the policy prefers the chosen response, (B,), in nats."""
    for name, tensor in (
        ("rejected_B", rejected_B),
        ("reference_chosen_B", reference_chosen_B),
        ("reference_rejected_B", reference_rejected_B),
    ):
        check_shape(name, tensor, *chosen_B.shape)
    return (chosen_B - reference_chosen_B) - (rejected_B - reference_rejected_B)


def dpo_loss(margins_B: torch.Tensor, *, beta: float) -> torch.Tensor:
    """Return -log sigmoid(beta x margin) per pair, (B,) (Rafailov et al. 2023, equation 7)."""
    return -torch.nn.functional.logsigmoid(beta * margins_B)
