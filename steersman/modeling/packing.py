"""Group packing: one sequence `[prefix | response_1 | ... | response_n]` in which responses do not see each other.

Shapes: T packed tokens, N responses. Positions restart after the prefix for every response, so each response gets
the hidden states it would have alone.
"""

from dataclasses import dataclass

import torch

from steersman.modeling.chat import Group


@dataclass(frozen=True, slots=True)
class Packed:
    """A group ready for a model: ids (1, T), positions (1, T), mask (1, 1, T, T) true where a key may be seen.

    `starts` and `ends` bound each response in the sequence; `scored_ends` stops after its end-of-turn token.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    prefix_length: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    scored_ends: tuple[int, ...]

    def to(self, device: torch.device) -> "Packed":
        """Return the same on `device`."""
        return Packed(
            self.ids.to(device),
            self.positions.to(device),
            self.mask.to(device),
            self.prefix_length,
            self.starts,
            self.ends,
            self.scored_ends,
        )


def pack(group: Group) -> Packed:
    """Return `group` as one packed sequence."""
    prefix = len(group.prefix)
    ids, positions, segments = list(group.prefix), list(range(prefix)), [0] * prefix
    starts, ends, scored_ends = [], [], []
    for number, response in enumerate(group.responses, start=1):
        starts.append(len(ids))
        scored_ends.append(len(ids) + response.num_scored)
        ids += response.ids
        positions += range(prefix, prefix + len(response.ids))
        segments += [number] * len(response.ids)
        ends.append(len(ids))
    return Packed(
        torch.tensor([ids]),
        torch.tensor([positions]),
        group_mask(torch.tensor(segments))[None, None],
        prefix,
        tuple(starts),
        tuple(ends),
        tuple(scored_ends),
    )


def group_mask(segments_T: torch.Tensor) -> torch.Tensor:
    """Return which keys each query sees, (T, T): earlier ones of its own segment and of the prefix (segment 0)."""
    length = segments_T.shape[0]
    is_causal = torch.ones(length, length, dtype=torch.bool).tril()
    is_own = segments_T[:, None] == segments_T[None, :]
    is_prefix = (segments_T == 0)[None, :]
    return is_causal & (is_own | is_prefix)
