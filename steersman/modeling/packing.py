"""Group packing: `[prefix | response_1 | ... | response_n]`, several groups in one row, and no padding.

A response sees its prefix and itself, never another response or another group, and its positions go on after its
prefix: so it gets the hidden states it would have alone. A layer with a sliding window sees the last `window` of these
tokens only. Shapes: T packed tokens of a row, N responses of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from steersman.modeling.chat import Group


@dataclass(frozen=True, slots=True)
class Span:
    """Where one group lies in a row: its prefix is [start, prefix_end), response i is [starts[i], ends[i]).

    Of response i, [answer_starts[i], scored_ends[i]) is what was answered, up to the end-of-turn token: before it is a
    prompt of its own where the prefix is empty, after it what the template adds.
    """

    start: int
    prefix_end: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    answer_starts: tuple[int, ...]
    scored_ends: tuple[int, ...]

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """The prefix and then each response, as (first, end); none of them empty."""
        pairs = [(self.start, self.prefix_end), *zip(self.starts, self.ends, strict=True)]
        return tuple((first, end) for first, end in pairs if first < end)

    @property
    def prompt_ends(self) -> tuple[int, ...]:
        """Where the last token before each answer is: it predicts the answer's first."""
        return tuple(
            self.prefix_end - 1 if answer == start else answer - 1
            for start, answer in zip(self.starts, self.answer_starts, strict=True)
        )


@dataclass(frozen=True)
class Packed:
    """A row ready for a model: ids (1, T), positions (1, T), and the spans of its groups, in order."""

    ids: torch.Tensor
    positions: torch.Tensor
    spans: tuple[Span, ...]

    @property
    def num_tokens(self) -> int:
        """T."""
        return self.ids.shape[1]

    @property
    def last_tokens(self) -> tuple[int, ...]:
        """Where the last token of each response is, over all groups, (N,)."""
        return tuple(end - 1 for span in self.spans for end in span.ends)

    @cached_property
    def num_longest(self) -> int:
        """Tokens of the longest conversation, which is a prefix with one response."""
        return max(
            span.prefix_end - span.start + max((e - s for s, e in zip(span.starts, span.ends, strict=True)), default=0)
            for span in self.spans
        )

    def needed(self, window: int | None) -> int | None:
        """Return `window`, or None where no conversation is longer: it then hides nothing."""
        return None if window is None or window >= self.num_longest else window

    @property
    def mask(self) -> torch.Tensor:
        """`mask_within` no window."""
        return self.mask_within(None)

    def mask_within(self, window: int | None) -> torch.Tensor:
        """Return True where a query may see a key, (1, 1, T, T): for attention without a better way, and for tests.

        Made once per row and window, for all layers.
        """
        window = self.needed(window)
        if window not in self._masks:
            everywhere_T = torch.arange(self.num_tokens, device=self.ids.device)
            self._masks[window] = self.seen_from(everywhere_T, window=window)[None, None]
        return self._masks[window]

    @cached_property
    def _masks(self) -> dict[int | None, torch.Tensor]:
        return {}

    def seen_from(self, places_P: torch.Tensor, *, window: int | None) -> torch.Tensor:
        """Return which tokens of the row each of those at some places sees, (P, T)."""
        (groups_T, segments_T), positions_T = self.segments, self.positions[0]
        query, key = places_P[:, None], torch.arange(self.num_tokens, device=places_P.device)[None]
        window = self.needed(window)
        return visible(query, key, groups_T=groups_T, segments_T=segments_T, positions_T=positions_T, window=window)

    def block_mask_within(self, window: int | None) -> BlockMask:
        """Return the same mask in FlexAttention's form: made once per row and window, for all layers."""
        window = self.needed(window)
        if window not in self._block_masks:
            self._block_masks[window] = self._new_block_mask(window)
        return self._block_masks[window]

    @cached_property
    def _block_masks(self) -> dict[int | None, BlockMask]:
        return {}

    def _new_block_mask(self, window: int | None) -> BlockMask:
        (groups_T, segments_T), positions_T = self.segments, self.positions[0]
        # a tensor: torch.compile with dynamic shapes makes a symbol of a number, which its kernels may not know
        limit = None if window is None else torch.full((), window, device=self.ids.device)

        def sees(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
            del batch, head
            return visible(query, key, groups_T=groups_T, segments_T=segments_T, positions_T=positions_T, window=limit)

        return create_block_mask(sees, None, None, self.num_tokens, self.num_tokens, device=str(self.ids.device))

    @cached_property
    def segments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The group of each token, and its segment within it: 0 the prefix, i the i-th response; (T,) each."""
        groups, segments = [], []
        for number, span in enumerate(self.spans):
            lengths = [span.prefix_end - span.start, *(e - s for s, e in zip(span.starts, span.ends, strict=True))]
            groups += [number] * sum(lengths)
            segments += [segment for segment, length in enumerate(lengths) for _ in range(length)]
        device = self.ids.device
        return torch.tensor(groups, device=device), torch.tensor(segments, device=device)

    def to(self, device: torch.device) -> "Packed":
        """Return the same on `device`."""
        return self if self.ids.device == device else Packed(self.ids.to(device), self.positions.to(device), self.spans)


def pack(groups: Sequence[Group]) -> Packed:
    """Return `groups` as one row, in order."""
    ids: list[int] = []
    positions: list[int] = []
    spans = []
    for group in groups:
        spans.append(_append(group, ids=ids, positions=positions))
    return Packed(torch.tensor([ids]), torch.tensor([positions]), tuple(spans))


def _append(group: Group, *, ids: list[int], positions: list[int]) -> Span:
    start, prefix = len(ids), len(group.prefix)
    ids += group.prefix
    positions += range(prefix)
    starts, ends, answer_starts, scored_ends = [], [], [], []
    for response in group.responses:
        starts.append(len(ids))
        answer_starts.append(len(ids) + response.num_prompt)
        scored_ends.append(len(ids) + response.num_scored)
        ids += response.ids
        positions += range(prefix, prefix + len(response.ids))
        ends.append(len(ids))
    return Span(start, start + prefix, tuple(starts), tuple(ends), tuple(answer_starts), tuple(scored_ends))


def visible(
    query: torch.Tensor,
    key: torch.Tensor,
    *,
    groups_T: torch.Tensor,
    segments_T: torch.Tensor,
    positions_T: torch.Tensor,
    window: int | torch.Tensor | None,
) -> torch.Tensor:
    """Return whether the token at index `query` sees the one at `key`: the mask of every kind of attention here.

    It sees earlier tokens (and itself) of its own group that belong to its own segment or to the prefix; under a
    window, the last `window` of them, itself among these. The indices may have any shapes that broadcast; the answer
    has that shape.
    """
    is_causal = key <= query
    is_same_group = groups_T[query] == groups_T[key]
    is_own = segments_T[query] == segments_T[key]
    sees = is_causal & is_same_group & (is_own | (segments_T[key] == 0))
    if window is None:
        return sees
    # by positions, since other responses may lie between a response and its prefix
    return sees & (positions_T[query] - positions_T[key] < window)
