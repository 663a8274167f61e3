"""From a head's outputs to what they say: a value per attribute, and one reward.

Shapes: N responses, A attributes, L levels.
"""

import torch
from torch.nn.functional import logsigmoid

from steersman.reward.categorical import categorical_probabilities
from steersman.reward.heads import Outputs
from steersman.reward.labels import expected_levels
from steersman.reward.ordinal import ordinal_probabilities
from steersman.reward.scalarise import weighted_reward
from steersman.reward.spec import NUM_LEVELS, RewardSpec


def values(outputs: Outputs, *, spec: RewardSpec) -> torch.Tensor:
    """Return the value of each attribute, (N, A): the number itself, or the level expected of an ordinal one."""
    if spec.kind in ("linear", "gating"):
        return outputs.raw
    return expected_levels(level_probabilities(outputs, spec=spec))


def level_probabilities(outputs: Outputs, *, spec: RewardSpec) -> torch.Tensor:
    """Return P(level | prompt, response), (N, A, L), of an ordinal or categorical head.

    Raises ValueError for a head that models no levels.
    """
    if spec.kind == "ordinal" and outputs.thresholds is not None:
        return ordinal_probabilities(outputs.raw, outputs.thresholds)
    if spec.kind == "categorical":
        return categorical_probabilities(outputs.raw.unflatten(1, (len(spec.attributes), NUM_LEVELS)))
    raise ValueError(f"a head of kind {spec.kind!r} has no probabilities of levels")


def has_levels(spec: RewardSpec) -> bool:
    """Whether a head of this `spec` gives probabilities of levels."""
    return spec.kind in ("ordinal", "categorical")


def rewards(outputs: Outputs, *, spec: RewardSpec) -> torch.Tensor:
    """Return the rewards, (N,): attributes weighed by the spec's weights, or by the gates of the prompt."""
    found_NA = values(outputs, spec=spec)
    if outputs.gates is not None:
        return (found_NA * outputs.gates).sum(dim=1)
    weights_A = torch.tensor([spec.weights.get(name, 0.0) for name in spec.attributes]).to(found_NA)
    return weighted_reward(found_NA, weights_A)


def preferences(outputs: Outputs, *, spec: RewardSpec) -> torch.Tensor:
    """Return how likely each response is preferred to the other of its pair, (N,), by a model that compares two.

    Responses 2k and 2k+1 are a pair, and the two numbers of a pair are one in sum: sigmoid(gap of their rewards), and
    where ties are a level of their own, P(preferred) by that model given that there is no tie.
    """
    pairs_P2 = rewards(outputs, spec=spec).unflatten(0, (-1, 2))
    gaps_P2 = pairs_P2 - pairs_P2.flip(1)
    tie = 0.0 if outputs.tie_thresholds is None else outputs.tie_thresholds[0]
    # of P(gap > tie) and P(-gap > tie) the first's share, by their logarithms
    return (logsigmoid(gaps_P2 - tie) - logsigmoid(-gaps_P2 - tie)).sigmoid().flatten()
