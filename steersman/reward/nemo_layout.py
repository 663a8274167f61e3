"""The nine outputs of NeMo-Aligner's reward models, and how they map to HelpSteer2's five.

NeMo-Aligner inherited the layout from models trained on Open Assistant and HelpSteer. HelpSteer2 labels the last five
outputs; the first four are masked in training, and what they give means nothing (HelpSteer2, appendix H).
"""

from collections.abc import Mapping, Sequence

import torch

from steersman.errors import ConfigError
from steersman.records import ATTRIBUTES

NEMO_UNTRAINED: tuple[str, ...] = ("quality", "toxicity", "humor", "creativity")
NEMO_OUTPUTS: tuple[str, ...] = (*NEMO_UNTRAINED, *ATTRIBUTES)


def from_nemo(values: torch.Tensor) -> torch.Tensor:
    """Return the five attributes of nine slots, outputs or labels: the last axis has 9, and 5 in the result.

    Raises ValueError for another number of slots.
    """
    if values.shape[-1:] != (len(NEMO_OUTPUTS),):
        raise ValueError(f"the last axis must have the {len(NEMO_OUTPUTS)} slots of NeMo, got {tuple(values.shape)}")
    return values[..., len(NEMO_UNTRAINED) :]


def to_nemo(values: torch.Tensor, *, untrained: float) -> torch.Tensor:
    """Return five attributes, the last axis, as nine slots, the first four of them `untrained`.

    That is NaN for labels and outputs, which are then missing, and 0 for weights. Raises ValueError for another number
    of attributes.
    """
    if values.shape[-1:] != (len(ATTRIBUTES),):
        raise ValueError(f"the last axis must have the {len(ATTRIBUTES)} attributes, got {tuple(values.shape)}")
    return torch.nn.functional.pad(values, (len(NEMO_UNTRAINED), 0), value=untrained)


def weights_from_nemo(weights: Sequence[float]) -> dict[str, float]:
    """Return by attribute the weights of nine slots.

    Raises ConfigError for another number of weights, and for one other than zero on an output that is not trained.
    """
    if len(weights) != len(NEMO_OUTPUTS):
        raise ConfigError(f"{len(weights)} weights; NeMo's models have {len(NEMO_OUTPUTS)} outputs: {NEMO_OUTPUTS}")
    named = dict(zip(NEMO_OUTPUTS, weights, strict=True))
    untrained = [name for name in NEMO_UNTRAINED if named[name]]
    if untrained:
        raise ConfigError(f"{untrained} are masked in training and mean nothing; give them the weight 0")
    return {name: named[name] for name in ATTRIBUTES}


def weights_to_nemo(weights: Mapping[str, float]) -> list[float]:
    """Return weights by attribute as those of nine slots; raises ConfigError for a name outside of the five."""
    unknown = sorted(set(weights) - set(ATTRIBUTES))
    if unknown:
        raise ConfigError(f"weights of {unknown}; HelpSteer2 trains {ATTRIBUTES} only")
    return [weights.get(name, 0.0) for name in NEMO_OUTPUTS]
