"""Run part of a decoder: the lower layers once, frozen, and the upper ones as often as training needs.

Shapes: T packed tokens, D hidden size. Works for decoders of transformers that keep `layers` and `norm` and take
`inputs_embeds` as is; `check_split` proves it for a model before anything relies on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.fused import takes_places
from steersman.modeling.packed_attention import PACKED, packed_attention
from steersman.modeling.packing import Packed
from steersman.modeling.windows import dense_masks

_SPLIT_TOLERANCE = 1e-3


def backbone_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the decoder below a model's head; raises PluginError for another kind of architecture."""
    backbone = model.base_model
    if not isinstance(getattr(backbone, "layers", None), nn.ModuleList) or not hasattr(backbone, "norm"):
        raise PluginError(f"{type(model).__name__} is not a decoder with layers and a final norm; use another model")
    return cast(PreTrainedModel, backbone)


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return the decoder's layers, lowest first."""
    return cast(nn.ModuleList, backbone_of(model).layers)


@contextmanager
def _only_layers(backbone: PreTrainedModel, start: int, stop: int, *, last: nn.Module) -> Iterator[None]:
    layers, norm, config = layers_of(backbone), backbone.norm, backbone.config
    count, kinds = config.num_hidden_layers, getattr(config, "layer_types", None)
    try:
        backbone.layers, backbone.norm, config.num_hidden_layers = layers[start:stop], last, stop - start
        if kinds is not None:
            config.layer_types = kinds[start:stop]
        yield
    finally:
        backbone.layers, backbone.norm, config.num_hidden_layers = layers, norm, count
        if kinds is not None:
            config.layer_types = kinds


def all_states(model: PreTrainedModel, packed: Packed, *, places: torch.Tensor | None = None) -> torch.Tensor:
    """Return the normed hidden states of a packed row, (T, D), or of its tokens at `places`, (P,), alone: (P, D)."""
    backbone = backbone_of(model)
    return _states(backbone, packed, places=places, input_ids=packed.ids)


def _states(
    backbone: PreTrainedModel, packed: Packed, *, places: torch.Tensor | None, **inputs: torch.Tensor
) -> torch.Tensor:
    settings: dict[str, object] = {"position_ids": packed.positions, "use_cache": False}
    # our attention reads the spans of the row, every other a dense mask
    if backbone.config._attn_implementation == PACKED:
        settings["packed"] = packed
    else:
        settings["attention_mask"] = dense_masks(backbone.config, packed)
    if places is not None and takes_places(layers_of(backbone)[-1]):
        return cast(torch.Tensor, backbone(**inputs, **settings, places=places).last_hidden_state[0])
    states_TD: torch.Tensor = backbone(**inputs, **settings).last_hidden_state[0]
    return states_TD if places is None else states_TD[places]


@torch.no_grad()
def frozen_states(model: PreTrainedModel, packed: Packed) -> torch.Tensor:
    """Return what `all_states` does up to rounding, (T, D), faster and without gradients."""
    with packed_attention(model):
        return all_states(model, packed)


def lower_states(model: PreTrainedModel, packed: Packed, *, num_lower: int) -> torch.Tensor:
    """Return the hidden states after the first `num_lower` layers, before any final norm, (T, D)."""
    backbone = backbone_of(model)
    if num_lower == 0:
        return cast(torch.Tensor, backbone.get_input_embeddings()(packed.ids)[0])
    with _only_layers(backbone, 0, num_lower, last=nn.Identity()):
        return frozen_states(model, packed)


def upper_states(
    model: PreTrainedModel,
    states_TD: torch.Tensor,
    packed: Packed,
    *,
    num_lower: int,
    places: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what `all_states` does from the states after the first `num_lower` layers, (T, D)."""
    backbone = backbone_of(model)
    norm = cast(nn.Module, backbone.norm)
    if num_lower == len(layers_of(backbone)):
        # no layer is left that could read a few tokens only
        normed_TD = cast(torch.Tensor, norm(states_TD))
        return normed_TD if places is None else normed_TD[places]
    with _only_layers(backbone, num_lower, len(layers_of(backbone)), last=norm):
        return _states(backbone, packed, places=places, inputs_embeds=states_TD[None])


def check_split(model: PreTrainedModel, packed: Packed, *, num_lower: int) -> None:
    """Raise PluginError unless lower then upper layers give what the whole model gives on one group."""
    with torch.inference_mode():
        whole_TD = all_states(model, packed).float()
        halves_TD = upper_states(model, lower_states(model, packed, num_lower=num_lower), packed, num_lower=num_lower)
    gap = (whole_TD - halves_TD.float()).norm() / whole_TD.norm()
    if not gap < _SPLIT_TOLERANCE:
        raise PluginError(
            f"{type(model).__name__} cannot be split at layer {num_lower} (outputs differ by {gap:.2g});"
            " use tune.mode 'lora' or 'full'"
        )
