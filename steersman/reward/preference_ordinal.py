"""Pairs with the strength of preference as ordered levels -3..3, of which a tie is one.

Proportional odds on the gap of scores, with thresholds that mirror each other:

    P(strength <= k) = sigmoid(threshold_k - gap),  thresholds (-t3, -t2, -t1, t1, t2, t3),  0 < t1 < t2 < t3

so that exchanging the two responses changes nothing but the sign of the strength. It is Agresti's cumulative logit for
paired comparisons (1992). Where Bradley-Terry drops ties, here they pull the two scores together.
Shapes: P pairs.
"""

import torch

from steersman.modeling.shapes import check_shape
from steersman.reward.labels import level_loss
from steersman.reward.ordinal import ordinal_log_probabilities

MAX_STRENGTH = 3


def preference_ordinal_loss(gaps_P: torch.Tensor, strengths_P: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Return -log P(strength) summed over pairs, a scalar in nats.

    `gaps_P` are the scores of those responses that a positive strength prefers, less the scores of the others: in
    HelpSteer2's files, the second less the first. `thresholds` are (t1, t2, t3). A strength of NaN (neither response
    is valid) costs nothing; one between two levels, as a mean of annotators is, counts on both. Raises ValueError for
    a strength outside -3..3 and for thresholds that are not positive and increasing.
    """
    check_shape("gaps_P", gaps_P, gaps_P.numel())
    check_shape("strengths_P", strengths_P, *gaps_P.shape)
    log_probabilities_P1L = preference_log_probabilities(gaps_P, thresholds)[:, None]
    return level_loss(log_probabilities_P1L, strengths_P[:, None], lowest=-MAX_STRENGTH)


def preference_log_probabilities(gaps_P: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Return log P(strength) for the strengths -3..3, (P, 7).

    Raises ValueError for thresholds that are not positive and increasing.
    """
    check_shape("thresholds", thresholds, MAX_STRENGTH)
    mirrored = torch.cat([-thresholds.flip(0), thresholds])
    return ordinal_log_probabilities(gaps_P[:, None], mirrored[None])[:, 0]
