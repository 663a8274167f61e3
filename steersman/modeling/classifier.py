"""Between a backbone with a linear head of ours and transformers' own classification model of the same weights.

Shapes: O outputs, D hidden size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.encoder import is_encoder, output_layer, with_output, without_output


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """A linear layer: `weight` (O, D) float32, and `bias` (O,) float32 where it has one."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


@contextmanager
def classifier(backbone: PreTrainedModel, head: LinearHead) -> Iterator[PreTrainedModel]:
    """Give `backbone` under transformers' own classification head with the numbers of `head`; it shares its tensors.

    `backbone.config` has the names of the O outputs. The head stays float32, whatever the backbone is in. The model is
    good inside the context only. Raises PluginError when the architecture's head is not linear, or has no place for a
    bias.
    """
    if is_encoder(backbone.config):
        with with_output(backbone, _biased(head)) as model:
            yield model
        return
    yield _grafted(backbone, head)


def _biased(head: LinearHead) -> nn.Linear:
    # an encoder's output layer has a bias in any case
    num_outputs, width = head.weight.shape
    layer = nn.Linear(width, num_outputs, device="meta")
    layer.weight = nn.Parameter(head.weight.detach())
    bias = torch.zeros(len(head.weight)) if head.bias is None else head.bias.detach()
    layer.bias = nn.Parameter(bias.to(head.weight.device))
    return layer


def _grafted(backbone: PreTrainedModel, head: LinearHead) -> PreTrainedModel:
    with torch.device("meta"):
        model = cast(PreTrainedModel, AutoModelForSequenceClassification.from_config(backbone.config))
    layer = getattr(model, "score", None)
    if not isinstance(layer, nn.Linear) or layer.weight.shape != head.weight.shape or layer.bias is not None:
        raise PluginError(
            f"{type(model).__name__} has no linear head 'score' without bias for {len(head.weight)} outputs, so"
            " transformers cannot hold this reward model"
        )
    if head.bias is not None:
        raise PluginError(f"{type(model).__name__} has no place for the bias of this reward model")
    setattr(model, model.base_model_prefix, backbone)
    layer.weight = nn.Parameter(head.weight.detach())
    return model.eval()


def split_classifier(model: PreTrainedModel) -> tuple[PreTrainedModel, LinearHead]:
    """Return the backbone of a classification model with a linear head, and that head; `model` is used up."""
    layer = output_layer(model) if is_encoder(model.config) else cast(nn.Linear, model.score)
    head = LinearHead(layer.weight.detach().float(), None if layer.bias is None else layer.bias.detach().float())
    if is_encoder(model.config):
        return without_output(model), head
    return cast(PreTrainedModel, model.base_model), head
