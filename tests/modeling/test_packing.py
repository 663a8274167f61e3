"""A packed row gives each response of each group what it would get alone."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel
from transformers.masking_utils import sliding_window_causal_mask_function

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_policy
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packing import Span, pack

CPU = torch.device("cpu")


def response(*ids: int) -> ResponseTokens:
    return ResponseTokens(ids, len(ids))


GROUP = Group((5, 6, 7), (response(8, 9), response(10), response(11, 12, 13, 14)))
GROUPS = [GROUP, Group((20,), (response(21, 22), response(23)))]


def small(device: torch.device, folder: Path) -> PreTrainedModel:
    return load_policy(folder, dtype=torch.float32, device=device)


def test_a_response_sees_the_prefix_and_itself_only() -> None:
    packed = pack([Group((5, 6), (response(7), response(8, 9)))])
    # two tokens of prefix, then responses of one and of two tokens; a row is a query, a column a key
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]
    assert packed.mask[0, 0].int().tolist() == expected


def test_a_group_sees_no_other_group_of_its_row() -> None:
    packed = pack([Group((5,), (response(6),)), Group((), (response(7, 8), response(9)))])
    # the second group has no prefix, so its two responses see nothing but themselves
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]
    assert packed.mask[0, 0].int().tolist() == expected


def test_a_window_counts_the_tokens_of_a_conversation_and_not_of_the_row() -> None:
    packed = pack([Group((5, 6, 7), (response(8, 9), response(10, 11, 12)))])
    # the second response is at positions 3, 4, 5 however many tokens of the first lie before it
    expected = [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 1, 1, 1],
    ]
    assert packed.mask_within(3)[0, 0].int().tolist() == expected


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_window_hides_what_it_hides_in_transformers(window: int) -> None:
    packed = pack([Group((), (response(*range(9)),))])
    sees = sliding_window_causal_mask_function(window)
    expected = [[bool(sees(0, 0, torch.tensor(query), torch.tensor(key))) for key in range(9)] for query in range(9)]
    assert packed.mask_within(window)[0, 0].tolist() == expected


def test_a_window_as_long_as_the_longest_conversation_is_none() -> None:
    packed = pack([GROUP, Group((), (response(7, 8), response(9)))])
    # three tokens of prefix and four of the longest response
    assert packed.num_longest == 7
    assert [packed.needed(window) for window in (None, 6, 7, 8)] == [None, 6, None, None]
    assert packed.block_mask_within(7) is packed.block_mask_within(None)


@pytest.mark.parametrize("window", [None, 2])
def test_the_block_mask_of_a_row_lets_the_same_tokens_see_each_other(window: int | None) -> None:
    packed = pack([GROUP, Group((), (response(7, 8), response(9)))])
    index_T = torch.arange(packed.num_tokens)
    zero = torch.tensor(0)
    found_TT = packed.block_mask_within(window).mask_mod(zero, zero, index_T[:, None], index_T[None])
    assert torch.equal(found_TT, packed.mask_within(window)[0, 0])
    assert packed.block_mask_within(window) is packed.block_mask_within(window)


def test_positions_restart_after_the_prefix_and_with_each_group() -> None:
    packed = pack([GROUP, Group((5,), (response(6),))])
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 5, 6, 0, 1]]


def test_a_row_says_where_its_responses_begin_and_end() -> None:
    packed = pack([Group((5, 6), (ResponseTokens((7, 8, 9), 2), ResponseTokens((10,), 1))), Group((), (response(3),))])
    assert packed.ids.tolist() == [[5, 6, 7, 8, 9, 10, 3]]
    assert packed.spans == (
        Span(start=0, prefix_end=2, starts=(2, 5), ends=(5, 6), answer_starts=(2, 5), scored_ends=(4, 6)),
        Span(start=6, prefix_end=6, starts=(6,), ends=(7,), answer_starts=(6,), scored_ends=(7,)),
    )
    assert packed.spans[0].segments == ((0, 2), (2, 5), (5, 6))
    assert packed.spans[1].segments == ((6, 7),)
    assert packed.last_tokens == (4, 5, 6)


def test_prompts_end_before_the_answer_in_the_prefix_or_in_the_response() -> None:
    shared = Group((5, 6), (response(7), response(8)))
    own_prompts = Group((), (ResponseTokens((1, 2, 3), 3, num_prompt=2), ResponseTokens((1, 4), 2, num_prompt=1)))
    packed = pack([shared, own_prompts])
    assert [span.prompt_ends for span in packed.spans] == [(1, 1), (5, 7)]


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
    packed = pack(GROUPS).to(model.device)
    with torch.no_grad():
        together_TD = all_states(model, packed)
        for group, span in zip(GROUPS, packed.spans, strict=True):
            prefix = len(group.prefix)
            for each, start, end in zip(group.responses, span.starts, span.ends, strict=True):
                ids = torch.tensor([[*group.prefix, *each.ids]], device=model.device)
                alone_TD = model.base_model(input_ids=ids).last_hidden_state[0]
                prefix_TD = together_TD[span.start : span.prefix_end]
                assert_close(prefix_TD, alone_TD[:prefix], atol=tolerance, rtol=0)
                assert_close(together_TD[start:end], alone_TD[prefix:], atol=tolerance, rtol=0)


def _check_logprobs(model: PreTrainedModel, *, tolerance: float) -> None:
    packed = pack(GROUPS).to(model.device)
    with torch.no_grad():
        together = response_logprobs(model, all_states(model, packed), packed).tolist()
        for group in GROUPS:
            for each in group.responses:
                alone = pack([Group(group.prefix, (each,))]).to(model.device)
                alone_1 = response_logprobs(model, all_states(model, alone), alone)
                assert together.pop(0) == pytest.approx(alone_1.item(), abs=tolerance)
