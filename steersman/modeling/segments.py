"""Attention of packed segments on a CPU, forward and backward, in blocks of queries that stay in the processor's cache.

PyTorch's own kernel takes more than twice as long (benchmarks/packed_training.py). Here all query heads of a
key-value head make one matrix product, only keys that are seen are multiplied, and the backward pass computes the
weights of a block again instead of keeping them, as FlashAttention does (Dao et al. 2022).
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
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, spans: Sequence[Span], scaling: float | None
) -> torch.Tensor:
    """Return what each token attends to, (1, H, T, W), of (1, H, T, W) and twice (1, K, T, W)."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    apply: Callable[..., torch.Tensor] = _SegmentAttention.apply
    return apply(query, key, value, tuple(spans), scale)


@dataclass(frozen=True, slots=True)
class _Segment:
    """Tokens [first, end) of a row, which see the prefix [start, prefix_end) and, causally, themselves."""

    start: int
    prefix_end: int
    first: int
    end: int

    @property
    def num_before(self) -> int:
        return self.prefix_end - self.start

    def blocks(self) -> Iterator[tuple[slice, int]]:
        """Yield the queries of each block within the row, and how many keys the last of them sees."""
        for first in range(self.first, self.end, _BLOCK_QUERIES):
            last = min(self.end, first + _BLOCK_QUERIES)
            yield slice(first, last), self.num_before + last - self.first

    def seen(self, states: torch.Tensor) -> torch.Tensor:
        """Return keys or values of the prefix and the segment, (K, S, W), from those of the row, (K, T, W)."""
        if self.num_before == 0:
            return states[:, self.first : self.end]
        return torch.cat([states[:, self.start : self.prefix_end], states[:, self.first : self.end]], dim=1)

    def add_seen(self, gradient: torch.Tensor, part: torch.Tensor) -> None:
        """Add the gradient of what `seen` returned to that of the row."""
        gradient[:, self.start : self.prefix_end] += part[:, : self.num_before]
        gradient[:, self.first : self.end] += part[:, self.num_before :]


def _segments(spans: Sequence[Span]) -> Iterator[_Segment]:
    for span in spans:
        for first, end in span.segments:
            is_prefix = first < span.prefix_end
            yield _Segment(span.start, span.start if is_prefix else span.prefix_end, first, end)


class _SegmentAttention(torch.autograd.Function):
    """Keeps its inputs for the backward pass and nothing of size Q x S."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 -- torch gives it no type
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        spans: tuple[Span, ...],
        scale: float,
    ) -> torch.Tensor:
        grouped, outputs = _grouped(query, key), _empty_like(query)
        grouped_outputs = _grouped(outputs, key)
        for segment in _segments(spans):
            keys, values = segment.seen(key[0]), segment.seen(value[0])
            for queries, seen in segment.blocks():
                weights = _weights(_flat(grouped[:, :, queries] * scale), keys[:, :seen], repeats=grouped.shape[1])
                block = grouped_outputs[:, :, queries]
                block.copy_((weights @ values[:, :seen]).view(block.shape))
        ctx.save_for_backward(query, key, value)
        ctx.spans, ctx.scale = spans, scale
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
        # float32: each block of queries adds to the gradients of the keys it sees
        to_key, to_value = (torch.zeros(each.shape[1:], dtype=torch.float32) for each in (key, value))
        for segment in _segments(ctx.spans):
            keys, values = segment.seen(key[0]), segment.seen(value[0])
            to_keys, to_values = (torch.zeros(keys.shape, dtype=torch.float32) for _ in range(2))
            for queries, seen in segment.blocks():
                given, scaled = _flat(grouped_gradient[:, :, queries]), _flat(grouped[:, :, queries] * ctx.scale)
                weights = _weights(scaled, keys[:, :seen], repeats=grouped.shape[1])
                to_values[:, :seen] += weights.transpose(1, 2) @ given
                to_weights = given @ values[:, :seen].transpose(1, 2)
                # the gradient of softmax: weights * (gradient - its mean under the weights)
                to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
                to_keys[:, :seen] += to_scores.transpose(1, 2) @ scaled
                block = to_grouped[:, :, queries]
                block.copy_((to_scores @ keys[:, :seen]).mul_(ctx.scale).view(block.shape))
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


def _weights(queries: torch.Tensor, keys: torch.Tensor, *, repeats: int) -> torch.Tensor:
    """Return softmax(queries keys^T), (K, R Q, S), of (K, R Q, W) and (K, S, W); the last query sees the last key."""
    length = queries.shape[1] // repeats
    scores = queries @ keys.transpose(1, 2)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores.view(len(keys), repeats, length, -1)[..., -length:].masked_fill_(later, float("-inf"))
    return torch.softmax(scores, dim=-1)
