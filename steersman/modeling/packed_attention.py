"""Let a model attend within packed rows: its layers by leaner functions where their type is known, else by attention.

Stay in the context until the backward pass is done: checkpointed layers run once more there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel

from steersman.modeling.attention import attention, handed_window
from steersman.modeling.device_attention import attend_within
from steersman.modeling.embedding import lean_embedding
from steersman.modeling.encoder import is_encoder
from steersman.modeling.fused import leaner_layers
from steersman.modeling.kernels import PLAIN, Kernels
from steersman.modeling.packing import Packed

PACKED = "steersman_packed"


@contextmanager
def packed_attention(model: PreTrainedModel, *, kernels: Kernels = PLAIN) -> Iterator[None]:
    """Let `model` run on the row it is given as the keyword `packed`; known layers compute by `kernels`.

    An encoder stays as it is: it is given one sequence per response.
    """
    if is_encoder(model.config):
        yield
        return
    layers = cast(nn.ModuleList, getattr(model.base_model, "layers", nn.ModuleList()))
    table = model.get_input_embeddings()
    with attention(model, PACKED), leaner_layers(layers, kernels=kernels), lean_embedding(table):
        yield


def _packed(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *mask: torch.Tensor | None,
    packed: Packed,
    scaling: float | None = None,
    **extras: object,
) -> tuple[torch.Tensor, None]:
    """Attend within `packed`, (1, T, H, W); the mask is implied by its spans."""
    del mask
    window = handed_window(module, extras)
    outputs = attend_within(query, key, value, packed=packed, scaling=scaling, window=window)
    return outputs.transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED, _packed)
