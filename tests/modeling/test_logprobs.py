"""Log-probabilities of responses are sums of log softmax, however they are chunked."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_policy
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packing import pack

LONGER_THAN_TWO_CHUNKS = 600


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


def logprobs(model: PreTrainedModel, group: Group) -> torch.Tensor:
    packed = pack([group])
    return response_logprobs(model, all_states(model, packed), packed)


def by_hand(model: PreTrainedModel, prefix: tuple[int, ...], scored: tuple[int, ...]) -> torch.Tensor:
    """Return the sum of log softmax of the model's own logits, each token predicted by the one before."""
    ids = [*prefix, *scored]
    logprobs_TV = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    picked = [logprobs_TV[position - 1, ids[position]] for position in range(len(prefix), len(ids))]
    return torch.stack(picked).sum()


def test_a_responses_logprob_is_the_sum_over_its_tokens(model: PreTrainedModel) -> None:
    group = Group((65, 66, 67), (ResponseTokens((70, 71, 72), 3), ResponseTokens((80,), 1)))
    with torch.no_grad():
        found = logprobs(model, group)
        expected = [by_hand(model, group.prefix, response.ids) for response in group.responses]
    assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


def test_what_the_template_adds_after_the_turn_is_not_scored(model: PreTrainedModel) -> None:
    group = Group((65, 66), (ResponseTokens((70, 71, 10), 2), ResponseTokens((80, 10), 1)))
    with torch.no_grad():
        expected = torch.stack([by_hand(model, (65, 66), (70, 71)), by_hand(model, (65, 66), (80,))])
        assert_close(logprobs(model, group), expected, atol=1e-5, rtol=0)


def test_a_response_of_several_chunks_is_summed_whole(model: PreTrainedModel) -> None:
    ids = tuple(number % 256 for number in range(7, 7 + LONGER_THAN_TWO_CHUNKS))
    with torch.no_grad():
        found = logprobs(model, Group((65, 66), (ResponseTokens(ids, len(ids)),)))
        assert_close(found[0], by_hand(model, (65, 66), ids), atol=0, rtol=1e-5)


@pytest.mark.parametrize("length", [3, LONGER_THAN_TWO_CHUNKS])
def test_gradients_are_those_of_the_sum_over_all_tokens(model: PreTrainedModel, length: int) -> None:
    ids = tuple(number % 256 for number in range(7, 7 + length))
    weights = [each for each in model.parameters() if each.requires_grad]
    chunked = torch.autograd.grad(logprobs(model, Group((65,), (ResponseTokens(ids, length),))).sum(), weights)
    whole = torch.autograd.grad(by_hand(model, (65,), ids), weights)
    assert all(bool(each.any()) for each in chunked)
    for found, expected in zip(chunked, whole, strict=True):
        assert_close(found, expected, atol=1e-3, rtol=1e-4)
