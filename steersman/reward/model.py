"""A reward model: a backbone, the state that is read of each response, and a head over it.

Shapes: T packed tokens of a row, N responses, D hidden size.
"""

from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel

from steersman.modeling.packing import Packed
from steersman.modeling.rows import Row, states_of
from steersman.reward.heads import Head, Outputs
from steersman.reward.spec import Pooling, RewardSpec


class RewardModel(nn.Module):
    """Gives the outputs of every response in a row; its forward is what several processes share.

    `num_lower` layers of the backbone stay as they are, and rows may bring their activations along.
    """

    def __init__(self, backbone: PreTrainedModel, head: Head, *, spec: RewardSpec, num_lower: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.spec = spec
        self.num_lower = num_lower

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.head.parameters()).device

    def forward(self, row: Row) -> Outputs:
        """Return the outputs of the row's responses, in order, over all its groups."""
        states_TD = states_of(self.backbone, row, num_lower=self.num_lower)
        responses_ND, prompts_ND = read(states_TD, row.packed, pooling=self.spec.pooling)
        return cast(Outputs, self.head(responses_ND, prompts_ND))


def read(states_TD: torch.Tensor, packed: Packed, *, pooling: Pooling) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the state read of each response, and the last state of the prompt before it, (N, D) each.

    Raises ValueError for a prompt without a token.
    """
    prompts = [place for span in packed.spans for place in span.prompt_ends]
    if min(prompts) < 0:
        raise ValueError("a group without a prompt has no prompt state")
    return _pooled(states_TD, packed, pooling=pooling), states_TD[_index(prompts, states_TD)]


def _pooled(states_TD: torch.Tensor, packed: Packed, *, pooling: Pooling) -> torch.Tensor:
    if pooling == "last":
        return states_TD[_index(packed.last_tokens, states_TD)]
    bounds = [pair for span in packed.spans for pair in zip(span.answer_starts, span.scored_ends, strict=True)]
    if pooling == "end_of_turn":
        return states_TD[_index([end - 1 for _, end in bounds], states_TD)]
    return torch.stack([states_TD[start:end].mean(dim=0) for start, end in bounds])


def _index(places: tuple[int, ...] | list[int], states_TD: torch.Tensor) -> torch.Tensor:
    return torch.tensor(places, device=states_TD.device)
