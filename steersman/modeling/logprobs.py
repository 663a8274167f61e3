"""Log-probabilities of responses, computed only where they are needed and in chunks.

Shapes: T packed tokens, D hidden size, V vocabulary, N responses.
"""

from typing import cast

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from steersman.modeling.packing import Packed

_CHUNK_TOKENS = 256


def response_logprobs(model: PreTrainedModel, states_TD: torch.Tensor, packed: Packed) -> torch.Tensor:
    """Return the summed log-probability of each response of a row up to its end-of-turn token, (N,), nats, float32.

    The first token of a response is predicted by the last token of its prompt.
    """
    sums = []
    for span in packed.spans:
        for prompt_end, start, end in zip(span.prompt_ends, span.answer_starts, span.scored_ends, strict=True):
            before = [prompt_end, *range(start, end - 1)]
            states = states_TD[torch.tensor(before, device=states_TD.device)]
            sums.append(_summed_logprob(model, states, packed.ids[0, start:end]))
    return torch.stack(sums)


def _summed_logprob(model: PreTrainedModel, states_TD: torch.Tensor, targets_T: torch.Tensor) -> torch.Tensor:
    head = cast(torch.nn.Module, model.get_output_embeddings())

    def chunk_sum(states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits_TV = head(states).float()
        return -torch.nn.functional.cross_entropy(logits_TV, targets, reduction="sum")

    pieces = []
    for start in range(0, len(targets_T), _CHUNK_TOKENS):
        chunk = slice(start, start + _CHUNK_TOKENS)
        # recomputing the logits in the backward pass keeps one chunk of (T, V) in memory instead of all
        if torch.is_grad_enabled():
            pieces.append(checkpoint(chunk_sum, states_TD[chunk], targets_T[chunk], use_reentrant=False))
        else:
            pieces.append(chunk_sum(states_TD[chunk], targets_T[chunk]))
    return torch.stack(pieces).sum()
