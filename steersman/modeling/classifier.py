"""Between a backbone with a linear head of ours and transformers' own classification model of the same weights."""

from typing import cast

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from steersman.errors import PluginError


def as_classifier(backbone: PreTrainedModel, weight_OD: torch.Tensor) -> PreTrainedModel:
    """Return `backbone` under a classification head with those weights; it shares the backbone's tensors.

    `backbone.config` has the names of the O outputs. Raises PluginError when the architecture's head is not linear, or
    has a bias.
    """
    with torch.device("meta"):
        model = cast(PreTrainedModel, AutoModelForSequenceClassification.from_config(backbone.config))
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Linear) or head.bias is not None or head.weight.shape != weight_OD.shape:
        raise PluginError(
            f"{type(model).__name__} has no linear head 'score' without bias for {len(weight_OD)} outputs, so"
            " transformers cannot hold this reward model"
        )
    setattr(model, model.base_model_prefix, backbone)
    head.weight = nn.Parameter(weight_OD.detach().to(backbone.dtype))
    return model.eval()


def split_classifier(model: PreTrainedModel) -> tuple[PreTrainedModel, torch.Tensor]:
    """Return the backbone of a classification model with a linear head, and the head's weights, (O, D) float32."""
    head = cast(nn.Linear, model.score)
    return cast(PreTrainedModel, model.base_model), head.weight.detach().float()
