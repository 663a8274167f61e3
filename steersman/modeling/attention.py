"""Attention with grouped queries, without gradients: for decoding, and a building block of packed scoring.

PyTorch's attention with a mask reads repeated keys once for each query head. Here queries are grouped by their
key-value head, so that one matrix product serves them all, and scores are made in blocks that stay in the processor's
cache. Shapes: B batch, Q queries, L keys, H query heads, K key-value heads, W width of a head.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
from transformers import AttentionInterface, PreTrainedConfig, PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.windows import has_windows

_GROUPED = "steersman_grouped"
# what some architectures hand to their attention; leaving it out would give another model's outputs
_UNSUPPORTED = {"softcap", "s_aux", "sinks", "indices", "block_indices", "position_bias"}
_WINDOW = "sliding_window"
_BLOCK_SCORES = 1 << 20


@contextmanager
def grouped_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let `model` attend with grouped queries; it then takes additive masks, (B, 1, Q, L), for layers of every kind.

    Of what a mask lets a query see, the last is the query's own key; layers with a window count it from there.
    """
    with attention(model, _GROUPED):
        yield


@contextmanager
def attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Let `model` attend by the registered implementation `name`, then as before."""
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def handed_window(module: torch.nn.Module, extras: Mapping[str, object]) -> int | None:
    """Return the window among what `module` hands to its attention, None where it sees everything.

    Raises PluginError where it hands over something that ours would leave out, or keeps its window to itself.
    """
    name = type(module).__name__
    unknown = sorted(each for each in _UNSUPPORTED & extras.keys() if extras[each] is not None)
    if unknown:
        raise PluginError(f"{name} uses {unknown[0]}, which is not supported; use another model")
    if _WINDOW not in extras and has_windows(cast(PreTrainedConfig, module.config)):
        raise PluginError(f"{name} does not tell its attention of its sliding window; use another model")
    return cast("int | None", extras.get(_WINDOW))


def _grouped(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **extras: object,
) -> tuple[torch.Tensor, None]:
    """Attend (B, H, Q, W) to (B, K, L, W) under an additive mask, some rows of the batch at a time; (B, Q, H, W)."""
    window = handed_window(module, extras)
    rows = max(1, _BLOCK_SCORES // (query.shape[1] * query.shape[2] * key.shape[2]))
    pieces = []
    for start in range(0, query.shape[0], rows):
        block = slice(start, start + rows)
        mask: torch.Tensor | float = 0.0
        if attention_mask is not None:
            mask = _within(attention_mask[block, :, :, : key.shape[2]], window=window)[:, :, None]
        pieces.append(attend(query[block], key[block], value[block], mask, scaling=scaling))
    return torch.cat(pieces).transpose(1, 2).contiguous(), None


def _within(mask: torch.Tensor, *, window: int | None) -> torch.Tensor:
    """Return an additive mask, (B, 1, Q, L), that also hides what lies `window` keys or more before a query's own."""
    if window is None or window >= mask.shape[-1]:
        return mask
    index_L = torch.arange(mask.shape[-1], device=mask.device)
    own = (index_L * (mask == 0)).amax(dim=-1, keepdim=True)
    return mask.masked_fill(index_L <= own - window, torch.finfo(mask.dtype).min)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | float, *, scaling: float | None
) -> torch.Tensor:
    """Attend (B, H, Q, W) to (B, K, L, W) under an additive mask that broadcasts to (B, K, H / K, Q, L)."""
    batch, heads, length, width = query.shape
    kv_heads = key.shape[1]
    scale = width**-0.5 if scaling is None else scaling
    grouped = query.reshape(batch, kv_heads, heads // kv_heads * length, width) * scale
    scores = (grouped @ key.transpose(-1, -2)).view(batch, kv_heads, heads // kv_heads, length, -1) + mask
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    outputs = weights.view(batch, kv_heads, heads // kv_heads * length, -1) @ value
    return outputs.view(batch, heads, length, width)


AttentionInterface.register(_GROUPED, _grouped)
