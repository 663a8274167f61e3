"""Attention within a packed row, in the way that suits the device; all by the same mask, `packing.visible`.

On a CPU by segment, on CUDA by FlexAttention, else (narrow heads, too) by PyTorch's attention under the dense mask.
Shapes as in `segments`, queries (1, H, T, W), keys and values (1, K, T, W). A `window` is how many tokens of what it
sees a token attends to, itself and those just before; None is all.
"""

from functools import cache
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from steersman.modeling.attention import attend
from steersman.modeling.kernels import product_dtype
from steersman.modeling.packing import Packed
from steersman.modeling.segments import segment_attention

# its kernels on CUDA take no narrower heads
_NARROWEST_FLEX = 16


def attend_within(
    query: Tensor, key: Tensor, value: Tensor, *, packed: Packed, scaling: float | None, window: int | None
) -> Tensor:
    """Return the attention of every token to what it sees, (1, H, T, W)."""
    window = packed.needed(window)
    dtype = product_dtype(query)
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if query.device.type == "cpu":
        return segment_attention(query, key, value, spans=packed.spans, scaling=scaling, window=window)
    if query.device.type == "cuda" and query.shape[-1] >= _NARROWEST_FLEX:
        return _compiled_flex()(query, key, value, mask=packed.block_mask_within(window), scaling=scaling)
    return dense(query, key, value, packed=packed, scaling=scaling, window=window)


def attend_at(query: Tensor, key: Tensor, value: Tensor, *, seen_PT: Tensor, scaling: float | None) -> Tensor:
    """Return likewise the attention of a few tokens, whose queries are (1, H, P, W); they see the keys at `seen_PT`."""
    unseen_PT = torch.zeros(seen_PT.shape, device=query.device).masked_fill_(~seen_PT, float("-inf"))
    return attend(query, key, value, unseen_PT, scaling=scaling)


def dense(
    query: Tensor, key: Tensor, value: Tensor, *, packed: Packed, scaling: float | None, window: int | None
) -> Tensor:
    """Return attention under the dense mask, (1, H, T, W): the reference."""
    is_grouped, mask = query.shape[1] != key.shape[1], packed.mask_within(window)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling, enable_gqa=is_grouped)


def flex(query: Tensor, key: Tensor, value: Tensor, *, mask: BlockMask, scaling: float | None) -> Tensor:
    """Return attention under a row's block mask, (1, H, T, W)."""
    is_grouped = query.shape[1] != key.shape[1]
    return flex_attention(query, key, value, block_mask=mask, scale=scaling, enable_gqa=is_grouped)


class _Flex(Protocol):
    def __call__(self, query: Tensor, key: Tensor, value: Tensor, *, mask: BlockMask, scaling: float | None) -> Tensor:
        """Attend."""


@cache
def _compiled_flex() -> _Flex:
    # dynamic shapes: rows differ in length, and each new length would be compiled anew
    return cast(_Flex, torch.compile(flex, dynamic=True))
