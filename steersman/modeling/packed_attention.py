"""Attention within packed groups, one segment at a time: only the pairs of tokens that may see each other are computed.

On a CPU the prefix attends to itself, and each response to its prefix and itself, by PyTorch's attention where there
are gradients and by blocks of grouped queries where there are none. On CUDA it is FlexAttention, elsewhere PyTorch's
attention under the dense mask; all by the same mask, `packing.visible`. Shapes as in `attention`; B is 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from steersman.modeling.attention import attend, attention, check_extras
from steersman.modeling.packing import Packed, Span, visible

PACKED = "steersman_packed"
_BLOCK_QUERIES = 128


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let `model` attend within the row it is given as the keyword `packed`.

    Stay inside until the backward pass is done: checkpointed layers attend once more there.
    """
    with attention(model, PACKED):
        yield


def _packed(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    *,
    packed: Packed,
    **extras: object,
) -> tuple[torch.Tensor, None]:
    """Attend within `packed`, (1, T, H, W); the mask is implied by its spans."""
    del attention_mask
    check_extras(module, extras)
    if query.device.type == "cuda":
        outputs = _compiled_flex(query, key, value, packed=packed, scaling=scaling)
    elif query.device.type != "cpu":
        outputs = dense(query, key, value, packed=packed, scaling=scaling)
    else:
        outputs = by_segment(query, key, value, packed=packed, scaling=scaling)
    return outputs.transpose(1, 2).contiguous(), None


def by_segment(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, packed: Packed, scaling: float | None
) -> torch.Tensor:
    """Return the attention of each segment to what it sees, (1, H, T, W)."""
    needs_gradients = torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad)
    one_segment = _fused if needs_gradients else _in_blocks
    pieces = []
    for span in packed.spans:
        for first, end in span.segments:
            keys, values = (_seen(each, span, first=first, end=end) for each in (key, value))
            pieces.append(one_segment(query[:, :, first:end], keys, values, scaling=scaling))
    return torch.cat(pieces, dim=2)


def _seen(states: torch.Tensor, span: Span, *, first: int, end: int) -> torch.Tensor:
    # what the last token of a segment sees: the prefix, then the segment itself
    if first <= span.prefix_end:
        return states[:, :, span.start : end]
    return torch.cat([states[:, :, span.start : span.prefix_end], states[:, :, first:end]], dim=2)


def _fused(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scaling: float | None) -> torch.Tensor:
    """Attend causally, the last query to the last key; gradients need no stored scores."""
    length, seen = query.shape[2], key.shape[2]
    repeats = query.shape[1] // key.shape[1]
    key, value = (each.repeat_interleave(repeats, dim=1) for each in (key, value))
    if length == seen:
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    sees = torch.ones(length, seen, dtype=torch.bool).tril(seen - length)
    return scaled_dot_product_attention(query, key, value, attn_mask=sees, scale=scaling)


def _in_blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scaling: float | None) -> torch.Tensor:
    """Attend causally, the last query to the last key, a block of queries at a time."""
    length, offset = query.shape[2], key.shape[2] - query.shape[2]
    outputs = torch.empty_like(query)
    for first in range(0, length, _BLOCK_QUERIES):
        last = min(length, first + _BLOCK_QUERIES)
        seen = offset + last
        later = torch.full((last - first, seen), float("-inf")).triu(seen - (last - first) + 1)
        outputs[:, :, first:last] = attend(
            query[:, :, first:last], key[:, :, :seen], value[:, :, :seen], later, scaling=scaling
        )
    return outputs


def dense(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, packed: Packed, scaling: float | None
) -> torch.Tensor:
    """Return attention under the dense mask, (1, H, T, W): the reference, and the way of other devices."""
    return scaled_dot_product_attention(
        query, key, value, attn_mask=packed.mask, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )


def flex(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, packed: Packed, scaling: float | None
) -> torch.Tensor:
    """Return attention under the block mask of `packed`, (1, H, T, W)."""
    found = flex_attention(
        query,
        key,
        value,
        block_mask=block_mask(packed),
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(found, torch.Tensor)  # noqa: S101 -- without return_lse there is one result
    return found


def block_mask(packed: Packed) -> BlockMask:
    """Return the mask of a row in FlexAttention's form; made once per row."""
    groups_T, segments_T = packed.segments

    def sees(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        del batch, head
        return visible(query, key, groups_T=groups_T, segments_T=segments_T)

    length = packed.num_tokens
    return create_block_mask(sees, None, None, length, length, device=str(packed.ids.device))


def _compiled_flex(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, packed: Packed, scaling: float | None
) -> torch.Tensor:
    return torch.compile(flex, dynamic=True)(query, key, value, packed=packed, scaling=scaling)


AttentionInterface.register(PACKED, _packed)
