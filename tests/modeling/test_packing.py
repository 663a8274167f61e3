"""A packed group gives each response what it would get alone."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_policy
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packing import group_mask, pack

CPU = torch.device("cpu")


def response(*ids: int) -> ResponseTokens:
    return ResponseTokens(ids, len(ids))


GROUP = Group((5, 6, 7), (response(8, 9), response(10), response(11, 12, 13, 14)))


def small(device: torch.device, folder: Path) -> PreTrainedModel:
    return load_policy(folder, dtype=torch.float32, device=device)


def test_a_response_sees_the_prefix_and_itself_only() -> None:
    # two tokens of prefix, then responses of one and of two tokens; a row is a query, a column a key
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]
    assert group_mask(torch.tensor([0, 0, 1, 2, 2])).int().tolist() == expected


def test_positions_restart_after_the_prefix() -> None:
    assert pack(GROUP).positions.tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 5, 6]]


def test_a_packed_group_says_where_its_responses_begin_and_end() -> None:
    packed = pack(Group((5, 6), (ResponseTokens((7, 8, 9), 2), ResponseTokens((10,), 1))))
    assert packed.ids.tolist() == [[5, 6, 7, 8, 9, 10]]
    assert (packed.prefix_length, packed.starts, packed.ends, packed.scored_ends) == (2, (2, 5), (5, 6), (4, 6))


def test_a_packed_group_has_the_hidden_states_of_each_response_alone(tiny_model_folder: Path) -> None:
    _check_states(small(CPU, tiny_model_folder), tolerance=1e-5)


def test_a_packed_group_has_the_logprobs_of_each_response_alone(tiny_model_folder: Path) -> None:
    _check_logprobs(small(CPU, tiny_model_folder), tolerance=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_packed_group_equals_each_response_alone_on_a_gpu(tiny_model_folder: Path) -> None:
    model = small(torch.device("cuda"), tiny_model_folder)
    _check_states(model, tolerance=1e-4)
    _check_logprobs(model, tolerance=1e-4)


def _check_states(model: PreTrainedModel, *, tolerance: float) -> None:
    packed = pack(GROUP).to(model.device)
    with torch.no_grad():
        together_TD = all_states(model, packed)
        for each, start, end in zip(GROUP.responses, packed.starts, packed.ends, strict=True):
            ids = torch.tensor([[*GROUP.prefix, *each.ids]], device=model.device)
            alone_TD = model.base_model(input_ids=ids).last_hidden_state[0]
            assert_close(together_TD[: packed.prefix_length], alone_TD[: packed.prefix_length], atol=tolerance, rtol=0)
            assert_close(together_TD[start:end], alone_TD[packed.prefix_length :], atol=tolerance, rtol=0)


def _check_logprobs(model: PreTrainedModel, *, tolerance: float) -> None:
    packed = pack(GROUP).to(model.device)
    with torch.no_grad():
        together_N = response_logprobs(model, all_states(model, packed), packed)
        for number, each in enumerate(GROUP.responses):
            alone = pack(Group(GROUP.prefix, (each,))).to(model.device)
            alone_1 = response_logprobs(model, all_states(model, alone), alone)
            assert_close(together_N[number], alone_1[0], atol=tolerance, rtol=0)
