"""Attention of packed segments on a CPU, forward and backward, in blocks of queries that stay in the processor's cache.

PyTorch's own kernel takes more than twice as long (benchmarks/packed_training.py). Here all query heads of a
key-value head make one matrix product, only keys that are seen are multiplied, and the backward pass computes the
weights of a block again instead of keeping them, as FlashAttention does (Dao et al. 2022). Under a sliding window a
block multiplies the keys from the first one that its first query sees.
Shapes: T packed tokens, H query heads, K key-value heads, R = H / K heads to each, W width of a head, Q queries of a
block and S keys they see.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from steersman.modeling.packing import Span

_BLOCK_QUERIES = 128


def segment_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    spans: Sequence[Span],
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Return what each token attends to, (1, H, T, W), of (1, H, T, W) and twice (1, K, T, W).

    With a window, to the last `window` tokens that it sees.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    apply: Callable[..., torch.Tensor] = _SegmentAttention.apply
    return apply(query, key, value, tuple(_segments(spans, window=window)), scale)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some queries of a row, which see some `keys` of their segment: query i the keys after i + `hidden`, causally."""

    queries: slice
    keys: slice
    hidden: int


@dataclass(frozen=True, slots=True)
class _Segment:
    """Tokens [first, end) of a row, which see the prefix [start, prefix_end) and, causally, themselves.

    What a window hides of the prefix from all of them is no part of it.
    """

    start: int
    prefix_end: int
    first: int
    end: int
    window: int | None

    @property
    def num_before(self) -> int:
        return self.prefix_end - self.start

    def blocks(self) -> Iterator[_Block]:
        """Yield the blocks of queries, in order; the last query of each sees the last of its keys."""
        for first in range(self.first, self.end, _BLOCK_QUERIES):
            last = min(self.end, first + _BLOCK_QUERIES)
            # prefix and segment are counted as one, as positions are
            of_first, end = (self.num_before + each - self.first for each in (first, last))
            window = end if self.window is None else self.window
            start = max(0, of_first - window + 1)
            yield _Block(slice(first, last), slice(start, end), hidden=of_first - window - start)

    def seen(self, states: torch.Tensor) -> torch.Tensor:
        """Return keys or values of the prefix and the segment, (K, S, W), from those of the row, (K, T, W)."""
        if self.num_before == 0:
            return states[:, self.first : self.end]
        return torch.cat([states[:, self.start : self.prefix_end], states[:, self.first : self.end]], dim=1)

    def add_seen(self, gradient: torch.Tensor, part: torch.Tensor) -> None:
        """Add the gradient of what `seen` returned to that of the row."""
        gradient[:, self.start : self.prefix_end] += part[:, : self.num_before]
        gradient[:, self.first : self.end] += part[:, self.num_before :]


def _segments(spans: Sequence[Span], *, window: int | None) -> Iterator[_Segment]:
    for span in spans:
        # the first token of a response sees itself and window - 1 of the prefix
        seen = span.start if window is None else max(span.start, span.prefix_end - window + 1)
        for first, end in span.segments:
            is_prefix = first < span.prefix_end
            start, prefix_end = (first, first) if is_prefix else (seen, span.prefix_end)
            yield _Segment(start, prefix_end, first, end, window)


class _SegmentAttention(torch.autograd.Function):
    """Keeps its inputs for the backward pass and nothing of size Q x S."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 -- torch gives it no type
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        segments: tuple[_Segment, ...],
        scale: float,
    ) -> torch.Tensor:
        grouped, outputs = _grouped(query, key), _empty_like(query)
        grouped_outputs = _grouped(outputs, key)
        for segment in segments:
            keys, values = segment.seen(key[0]), segment.seen(value[0])
            for block in segment.blocks():
                weights = _weights(_flat(grouped[:, :, block.queries] * scale), keys[:, block.keys], block=block)
                part = grouped_outputs[:, :, block.queries]
                part.copy_((weights @ values[:, block.keys]).view(part.shape))
        ctx.save_for_backward(query, key, value)
        ctx.segments, ctx.scale = segments, scale
        return outputs

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 -- torch gives it no type
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        grouped, grouped_gradient = _grouped(query, key), _grouped(gradient, key)
        to_query = _empty_like(query)
        to_grouped = _grouped(to_query, key)
        # float32 at least: each block of queries adds to the gradients of the keys it sees
        dtype = torch.promote_types(key.dtype, torch.float32)
        to_key, to_value = (torch.zeros(each.shape[1:], dtype=dtype) for each in (key, value))
        for segment in ctx.segments:
            keys, values = segment.seen(key[0]), segment.seen(value[0])
            to_keys, to_values = (torch.zeros(keys.shape, dtype=dtype) for _ in range(2))
            for block in segment.blocks():
                seen = block.keys
                given = _flat(grouped_gradient[:, :, block.queries])
                scaled = _flat(grouped[:, :, block.queries] * ctx.scale)
                weights = _weights(scaled, keys[:, seen], block=block)
                to_values[:, seen] += weights.transpose(1, 2) @ given
                to_weights = given @ values[:, seen].transpose(1, 2)
                # the gradient of softmax: weights * (gradient - its mean under the weights)
                to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
                to_keys[:, seen] += to_scores.transpose(1, 2) @ scaled
                part = to_grouped[:, :, block.queries]
                part.copy_((to_scores @ keys[:, seen]).mul_(ctx.scale).view(part.shape))
            segment.add_seen(to_key, to_keys)
            segment.add_seen(to_value, to_values)
        return to_query, to_key[None].to(key.dtype), to_value[None].to(value.dtype), None, None


def _grouped(states: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    # (1, H, T, W) -> (K, R, T, W)
    _, heads, length, width = states.shape
    return states[0].view(key.shape[1], heads // key.shape[1], length, width)


def _empty_like(query: torch.Tensor) -> torch.Tensor:
    # (1, H, T, W) with the heads of a token side by side, as the linear maps around attention have them
    _, heads, length, width = query.shape
    return query.new_empty(1, length, heads, width).transpose(1, 2)


def _flat(block: torch.Tensor) -> torch.Tensor:
    # (K, R, Q, W) -> (K, R Q, W)
    return block.flatten(1, 2)


def _weights(queries: torch.Tensor, keys: torch.Tensor, *, block: _Block) -> torch.Tensor:
    """Return softmax(queries keys^T), (K, R Q, S), of (K, R Q, W) and (K, S, W), over what the block's queries see."""
    length = block.queries.stop - block.queries.start
    scores = queries @ keys.transpose(1, 2)
    of_heads = scores.view(len(keys), -1, length, keys.shape[1])
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    of_heads[..., -length:].masked_fill_(later, float("-inf"))
    num_hidden = length + block.hidden
    if num_hidden > 0:
        too_early = torch.ones(length, num_hidden, dtype=torch.bool).tril(block.hidden)
        of_heads[..., :num_hidden].masked_fill_(too_early, float("-inf"))
    return torch.softmax(scores, dim=-1)
