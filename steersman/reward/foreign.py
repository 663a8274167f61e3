"""Reward models that others trained: a classification model of transformers, of which only the labels are known."""

import re
from collections.abc import Mapping, Sequence

from steersman.records import GOODNESS_WEIGHTS
from steersman.reward.spec import RewardSpec

SCALAR_OUTPUT = "reward"
# what transformers calls outputs that nobody named
_UNNAMED = re.compile(r"LABEL_\d+")


def foreign_spec(labels: Sequence[str], weights: Mapping[str, float] | None, *, is_encoder: bool) -> RewardSpec:
    """Return the spec of a linear head whose outputs are called `labels`; `weights` are None where none are known.

    One output is the reward itself. Of several, those with HelpSteer2's names are weighed as in its goodness; where
    none has such a name, nothing has a weight: it cannot be told what the reward would be.
    """
    if weights is not None:
        return RewardSpec("linear", tuple(labels), dict(weights), has_bias=is_encoder)
    if len(labels) == 1:
        name = SCALAR_OUTPUT if _UNNAMED.fullmatch(labels[0]) else labels[0]
        return RewardSpec("linear", (name,), {name: 1.0}, has_bias=is_encoder, weights_source="its only output")
    weighed = {name: weight for name, weight in GOODNESS_WEIGHTS.items() if name in labels}
    source = "published as goodness" if len(weighed) == len(GOODNESS_WEIGHTS) else "part of goodness, by its outputs"
    return RewardSpec("linear", tuple(labels), weighed, has_bias=is_encoder, weights_source=source)
