"""A reward model: a backbone, the state that is read of each response, and a head over it.

Shapes: T packed tokens of a row, N responses, D hidden size.
"""

from typing import Literal, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from steersman.errors import ConfigError
from steersman.modeling.encoder import is_encoder, pooled_states
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
        check_readable(backbone, spec=spec)
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
        states = states_read(self.backbone, row, pooling=self.spec.pooling, num_lower=self.num_lower)
        return cast(Outputs, self.head(*states))


def check_readable(backbone: PreTrainedModel, *, spec: RewardSpec) -> None:
    """Raise ConfigError when `backbone` does not give the states that a head of this `spec` reads."""
    if not is_encoder(backbone.config):
        return
    name = type(backbone).__name__
    if spec.kind == "gating":
        raise ConfigError(f"a gating head reads the prompt before its response, which {name} does not; use a decoder")
    if spec.pooling != "last":
        raise ConfigError(f"{name} pools by itself; leave reward.pooling at 'last', which for an encoder means that")


def states_read(
    backbone: PreTrainedModel, row: Row, *, pooling: Pooling, num_lower: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the state read of each response of a row, and the last state of the prompt before it, (N, D) float32 each.

    Only the tokens that are needed go through the last layer. An encoder has no state of the prompt alone: zeros stand
    there. Raises ValueError for a prompt without a token.
    """
    if is_encoder(backbone.config):
        pooled_ND = pooled_states(backbone, row.packed)
        return pooled_ND, torch.zeros_like(pooled_ND)
    if pooling == "mean":
        return read(states_of(backbone, row, num_lower=num_lower), row.packed, pooling=pooling)
    places = _index([*_places(row.packed, pooling=pooling), *_prompts(row.packed)], row.packed.ids)
    responses_ND, prompts_ND = states_of(backbone, row, num_lower=num_lower, places=places).chunk(2)
    return responses_ND, prompts_ND


def read(states_TD: torch.Tensor, packed: Packed, *, pooling: Pooling) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the state read of each response, and the last state of the prompt before it, (N, D) each.

    Raises ValueError for a prompt without a token.
    """
    prompts_ND = states_TD[_index(_prompts(packed), states_TD)]
    if pooling == "mean":
        bounds = [pair for span in packed.spans for pair in zip(span.answer_starts, span.scored_ends, strict=True)]
        return torch.stack([states_TD[start:end].mean(dim=0) for start, end in bounds]), prompts_ND
    return states_TD[_index(_places(packed, pooling=pooling), states_TD)], prompts_ND


def _places(packed: Packed, *, pooling: Literal["last", "end_of_turn"]) -> list[int]:
    if pooling == "last":
        return list(packed.last_tokens)
    return [end - 1 for span in packed.spans for end in span.scored_ends]


def _prompts(packed: Packed) -> list[int]:
    places = [place for span in packed.spans for place in span.prompt_ends]
    if min(places) < 0:
        raise ValueError("a group without a prompt has no prompt state")
    return places


def _index(places: list[int], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(places, device=like.device)
