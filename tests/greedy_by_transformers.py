"""What transformers' own `generate` writes at temperature 0, to compare our decoding with."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from transformers import PreTrainedModel


def greedy(model: PreTrainedModel, prompt: Sequence[int], *, max_new_tokens: int, pad: int, end: int) -> list[int]:
    """Return the new tokens after `prompt`, the `end` token among them where it came."""
    ids = torch.tensor([list(prompt)])
    whole = cast("Callable[..., torch.Tensor]", model.generate)(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        pad_token_id=pad,
        eos_token_id=end,
    )
    return [int(each) for each in whole[0, len(prompt) :]]
