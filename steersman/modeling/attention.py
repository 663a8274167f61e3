"""Attention for what needs no gradients: decoding, and packed groups on a CPU.

PyTorch's attention with a mask computes every pair of tokens and reads repeated keys once for each query head. Here
queries are grouped by their key-value head, so that one matrix product serves them all; scores are made in blocks that
stay in the processor's cache; and in a packed group only the pairs that may see each other are computed.
Shapes: B batch, Q queries, L keys, H query heads, K key-value heads, W width of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from transformers import AttentionInterface, PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.packing import Packed

_GROUPED, _PACKED = "steersman_grouped", "steersman_packed"
# what some architectures hand to their attention; leaving it out would give another model's outputs
_UNSUPPORTED = {"softcap", "s_aux", "sliding_window"}
_BLOCK_SCORES = 1 << 20
_BLOCK_QUERIES = 128
_packed_group: ContextVar[Packed] = ContextVar("packed group")


@contextmanager
def grouped_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let `model` attend with grouped queries; it then takes additive masks, (B, 1, Q, L)."""
    with _attention(model, _GROUPED):
        yield


@contextmanager
def packed_attention(model: PreTrainedModel, packed: Packed) -> Iterator[None]:
    """Let `model` attend within `packed` only where its mask allows; on another device than a CPU nothing changes."""
    if model.device.type != "cpu":
        yield
        return
    token = _packed_group.set(packed)
    try:
        with _attention(model, _PACKED):
            yield
    finally:
        _packed_group.reset(token)


@contextmanager
def _attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _check(module: torch.nn.Module, extras: dict[str, object]) -> None:
    unknown = sorted(name for name in _UNSUPPORTED & extras.keys() if extras[name] is not None)
    if unknown:
        raise PluginError(f"{type(module).__name__} uses {unknown[0]}, which is not supported; use another model")


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
    _check(module, extras)
    rows = max(1, _BLOCK_SCORES // (query.shape[1] * query.shape[2] * key.shape[2]))
    pieces = []
    for start in range(0, query.shape[0], rows):
        block = slice(start, start + rows)
        mask = 0.0 if attention_mask is None else attention_mask[block, :, None, :, : key.shape[2]]
        pieces.append(_attend(query[block], key[block], value[block], mask, scaling=scaling))
    return torch.cat(pieces).transpose(1, 2).contiguous(), None


def _packed(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **extras: object,
) -> tuple[torch.Tensor, None]:
    """Attend within the current packed group, a block of queries at a time; the mask is implied by the group."""
    del attention_mask
    _check(module, extras)
    group = _packed_group.get()
    prefix = group.prefix_length
    outputs = torch.empty_like(query)
    for start, end in [(0, prefix), *zip(group.starts, group.ends, strict=True)]:
        keys, values = (_seen(each, prefix, start=start, end=end) for each in (key, value))
        offset = keys.shape[2] - (end - start)
        for first in range(start, end, _BLOCK_QUERIES):
            last = min(end, first + _BLOCK_QUERIES)
            seen = offset + last - start
            later = torch.full((last - first, seen), float("-inf")).triu(seen - (last - first) + 1)
            outputs[:, :, first:last] = _attend(
                query[:, :, first:last], keys[:, :, :seen], values[:, :, :seen], later, scaling=scaling
            )
    return outputs.transpose(1, 2).contiguous(), None


def _seen(states: torch.Tensor, prefix: int, *, start: int, end: int) -> torch.Tensor:
    # what the last token of a segment sees: the prefix, then the segment itself
    return states[:, :, :end] if start <= prefix else torch.cat([states[:, :, :prefix], states[:, :, start:end]], dim=2)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | float, *, scaling: float | None
) -> torch.Tensor:
    batch, heads, length, width = query.shape
    kv_heads = key.shape[1]
    scale = width**-0.5 if scaling is None else scaling
    grouped = query.reshape(batch, kv_heads, heads // kv_heads * length, width) * scale
    scores = (grouped @ key.transpose(-1, -2)).view(batch, kv_heads, heads // kv_heads, length, -1) + mask
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    outputs = weights.view(batch, kv_heads, heads // kv_heads * length, -1) @ value
    return outputs.view(batch, heads, length, width)


AttentionInterface.register(_GROUPED, _grouped)
AttentionInterface.register(_PACKED, _packed)
