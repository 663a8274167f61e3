"""Packed and grouped attention give what PyTorch's own gives under the dense mask, and leave the model as it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling import attention, segments
from steersman.modeling.attention import grouped_attention
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.device_attention import attend_at, attend_within, dense, flex
from steersman.modeling.layers import all_states, frozen_states
from steersman.modeling.loading import load_policy
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    made = load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(10)
    return made


def group(prefix: int, *lengths: int) -> Group:
    rng = torch.Generator().manual_seed(0)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, 250, (count,), generator=rng).tolist())

    return Group(ids(prefix), tuple(ResponseTokens(ids(length), length) for length in lengths))


ROWS = {
    "two responses": [group(5, 4, 7)],
    "prefix of one token": [group(1, 9)],
    "responses of one token": [group(8, 1, 1, 6)],
    "no prefix": [group(0, 3, 5)],
    "several groups": [group(3, 3), group(0, 4, 2), group(6, 1, 5)],
}
rows = pytest.mark.parametrize("groups", ROWS.values(), ids=ROWS.keys())
# the longest conversation of these rows has 14 tokens
windows = pytest.mark.parametrize("window", [None, 1, 2, 5, 13])


def heads(packed: Packed, *, device: str = "cpu", width: int = 8) -> list[Tensor]:
    """Return queries of six heads, keys and values of two, of the tokens of a row."""
    rng = torch.Generator().manual_seed(1)
    return [torch.randn(1, count, packed.num_tokens, width, generator=rng).to(device) for count in (6, 2, 2)]


def with_gradients(attend: Attend, given: list[Tensor]) -> list[Tensor]:
    """Return the outputs and the gradients of queries, keys and values of a sum with uneven weights."""
    leaves = [each.detach().clone().requires_grad_() for each in given]
    outputs = attend(*leaves)
    weights = torch.linspace(-1, 1, outputs.numel(), device=outputs.device).view(outputs.shape)
    (outputs * weights).sum().backward()
    return [outputs.detach(), *(each.grad for each in leaves if each.grad is not None)]


@rows
@windows
@pytest.mark.parametrize("block", [1, 3, 128])
def test_attention_by_segment_and_its_gradients_are_those_under_the_mask(
    monkeypatch: pytest.MonkeyPatch, groups: list[Group], block: int, window: int | None
) -> None:
    monkeypatch.setattr(segments, "_BLOCK_QUERIES", block)
    packed = pack(groups)
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=0.3, window=window), heads(packed))
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=0.3, window=window), heads(packed))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@windows
def test_gradients_by_segment_are_those_of_small_steps(monkeypatch: pytest.MonkeyPatch, window: int | None) -> None:
    monkeypatch.setattr(segments, "_BLOCK_QUERIES", 3)
    packed = pack(ROWS["several groups"])
    given = tuple(each.double().requires_grad_() for each in heads(packed, width=2))
    assert torch.autograd.gradcheck(
        lambda *qkv: attend_within(*qkv, packed=packed, scaling=None, window=window), given, fast_mode=True
    )


def test_keys_outside_a_window_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_BLOCK_QUERIES", 4)
    widths = []
    weights_of = segments._weights

    def noted(queries: Tensor, keys: Tensor, *, block: segments._Block) -> Tensor:
        widths.append(keys.shape[1])
        return weights_of(queries, keys, block=block)

    monkeypatch.setattr(segments, "_weights", noted)
    packed = pack([group(40, 40)])
    attend_within(*heads(packed), packed=packed, scaling=None, window=5)
    # four queries see themselves and, together, the four tokens before them; the first four have none before
    assert widths == [4] + [8] * 19


@rows
@windows
def test_attention_of_a_few_tokens_is_theirs_in_the_whole_row(groups: list[Group], window: int | None) -> None:
    packed = pack(groups)
    places = torch.tensor([packed.num_tokens - 1, 0, 3])

    def at_places(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        seen_PT = packed.seen_from(places, window=window)
        return attend_at(query[:, :, places], key, value, seen_PT=seen_PT, scaling=None)

    def of_all(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return dense(query, key, value, packed=packed, scaling=None, window=window)[:, :, places]

    found = with_gradients(at_places, heads(packed))
    expected = with_gradients(of_all, heads(packed))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_attention_by_segment_in_bfloat16_is_as_near_as_rounding_allows() -> None:
    packed = pack(ROWS["several groups"])
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=None, window=None), heads(packed))
    halved = [each.bfloat16() for each in heads(packed)]
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=None, window=None), halved)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.bfloat16
        # scores, weights and products are rounded to 2 ** -9 each
        assert (ours.float() - theirs).norm() < 8 * 2.0**-9 * theirs.norm()


@rows
@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_attention_under_the_mask(groups: list[Group], window: int | None) -> None:
    packed = pack(groups)
    query, key, value = heads(packed)
    with torch.no_grad():
        found = flex(query, key, value, mask=packed.block_mask_within(window), scaling=0.3)
        expected = dense(query, key, value, packed=packed, scaling=0.3, window=window)
        assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_flex_attention_takes_windows_of_several_lengths() -> None:
    compiled = torch.compile(flex, dynamic=True)
    packed = pack([group(20, 40, 70)])
    query, key, value = heads(packed, width=32)
    for window in (8, 16):
        with torch.no_grad():
            found = compiled(query, key, value, mask=packed.block_mask_within(window), scaling=0.3)
            expected = dense(query, key, value, packed=packed, scaling=0.3, window=window)
        assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@rows
@windows
def test_attention_on_a_gpu_and_its_gradients_are_those_under_the_mask(groups: list[Group], window: int | None) -> None:
    packed = pack(groups).to(torch.device("cuda"))
    given = heads(packed, device="cuda", width=64)
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=None, window=window), given)
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=None, window=window), given)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, atol=2e-3, rtol=2e-3)


@rows
def test_a_packed_model_gives_the_states_it_gives_under_the_mask(model: PreTrainedModel, groups: list[Group]) -> None:
    packed = pack(groups)
    with torch.no_grad():
        assert_close(frozen_states(model, packed), all_states(model, packed))


@pytest.mark.parametrize("block", [1, 300, 1 << 20])
def test_grouped_attention_is_attention_under_the_mask(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(attention, "_BLOCK_SCORES", block)
    ids = torch.randint(0, 250, (5, 6), generator=torch.Generator().manual_seed(0))
    causal = torch.zeros(5, 1, 6, 6).masked_fill(~torch.ones(6, 6, dtype=torch.bool).tril(), -torch.inf)
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        with grouped_attention(model):
            assert_close(model(input_ids=ids, attention_mask=causal).logits, expected)


def test_the_model_attends_as_before_afterwards(model: PreTrainedModel) -> None:
    with packed_attention(model):
        assert model.config._attn_implementation == "steersman_packed"
        with pytest.raises(RuntimeError, match="inside"), grouped_attention(model):
            raise RuntimeError("inside")
        assert model.config._attn_implementation == "steersman_packed"
    assert model.config._attn_implementation == "sdpa"
