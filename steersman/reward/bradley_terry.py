"""Pairs by the Bradley-Terry model: P(chosen beats rejected) = sigmoid(chosen - rejected).

Regular, with margin and scaled, as HelpSteer2-Preference compares them (Wang et al. 2024, section 3). A tie is no pair:
the caller drops ties by `untied`, or models them by `preference_ordinal_loss`.
Shapes: P pairs. Scores are logits; margins are how much better the chosen response is, above zero.
"""

import torch
from torch.nn.functional import logsigmoid

from steersman.modeling.shapes import check_shape
from steersman.reward.labels import full_precision


def untied(strengths_P: torch.Tensor) -> torch.Tensor:
    """Return which preferences prefer one response, (P,) bool: strength 0 is a tie, NaN no preference at all."""
    return ~strengths_P.isnan() & (strengths_P != 0)


def bradley_terry_loss(chosen_P: torch.Tensor, rejected_P: torch.Tensor) -> torch.Tensor:
    """Return -log P(chosen beats rejected) summed over pairs, a scalar in nats."""
    return -logsigmoid(_gaps(chosen_P, rejected_P)).sum()


def margin_loss(chosen_P: torch.Tensor, rejected_P: torch.Tensor, margins_P: torch.Tensor) -> torch.Tensor:
    """Return -log sigmoid(chosen - rejected - margin) summed over pairs, a scalar in nats.

    Raises ValueError for a margin that is not above zero.
    """
    gaps_P = _gaps(chosen_P, rejected_P)
    return -logsigmoid(gaps_P - _checked(margins_P, gaps_P)).sum()


def scaled_loss(chosen_P: torch.Tensor, rejected_P: torch.Tensor, margins_P: torch.Tensor) -> torch.Tensor:
    """Return -margin x log P(chosen beats rejected) summed over pairs, a scalar in nats: each pair `margin` times.

    Raises ValueError for a margin that is not above zero.
    """
    gaps_P = _gaps(chosen_P, rejected_P)
    return -(_checked(margins_P, gaps_P) * logsigmoid(gaps_P)).sum()


def _gaps(chosen_P: torch.Tensor, rejected_P: torch.Tensor) -> torch.Tensor:
    check_shape("chosen_P", chosen_P, chosen_P.numel())
    check_shape("rejected_P", rejected_P, *chosen_P.shape)
    return full_precision(chosen_P) - full_precision(rejected_P)


def _checked(margins_P: torch.Tensor, gaps_P: torch.Tensor) -> torch.Tensor:
    check_shape("margins_P", margins_P, *gaps_P.shape)
    is_margin = margins_P > 0
    if not is_margin.all():
        wrong = margins_P[~is_margin][0].item()
        raise ValueError(f"margins must be above zero, got {wrong:g}; drop ties by `untied` before")
    return full_precision(margins_P)
