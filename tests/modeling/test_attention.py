"""Packed and grouped attention give what PyTorch's own gives under the dense mask, and leave the model as it was."""

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
@pytest.mark.parametrize("block", [1, 3, 128])
def test_attention_by_segment_and_its_gradients_are_those_under_the_mask(
    monkeypatch: pytest.MonkeyPatch, groups: list[Group], block: int
) -> None:
    monkeypatch.setattr(segments, "_BLOCK_QUERIES", block)
    packed = pack(groups)
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=0.3), heads(packed))
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=0.3), heads(packed))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@rows
def test_attention_of_a_few_tokens_is_theirs_in_the_whole_row(groups: list[Group]) -> None:
    packed = pack(groups)
    places = torch.tensor([packed.num_tokens - 1, 0, 3])

    def at_places(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attend_at(query[:, :, places], key, value, places=places, packed=packed, scaling=None)

    found = with_gradients(at_places, heads(packed))
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=None)[:, :, places], heads(packed))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_attention_by_segment_in_bfloat16_is_as_near_as_rounding_allows() -> None:
    packed = pack(ROWS["several groups"])
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=None), heads(packed))
    halved = [each.bfloat16() for each in heads(packed)]
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=None), halved)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.bfloat16
        # scores, weights and products are rounded to 2 ** -9 each
        assert (ours.float() - theirs).norm() < 8 * 2.0**-9 * theirs.norm()


@rows
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_attention_under_the_mask(groups: list[Group]) -> None:
    packed = pack(groups)
    query, key, value = heads(packed)
    with torch.no_grad():
        found = flex(query, key, value, mask=packed.block_mask, scaling=0.3)
        assert_close(found, dense(query, key, value, packed=packed, scaling=0.3), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@rows
def test_attention_on_a_gpu_and_its_gradients_are_those_under_the_mask(groups: list[Group]) -> None:
    packed = pack(groups).to(torch.device("cuda"))
    given = heads(packed, device="cuda", width=64)
    found = with_gradients(lambda *qkv: attend_within(*qkv, packed=packed, scaling=None), given)
    expected = with_gradients(lambda *qkv: dense(*qkv, packed=packed, scaling=None), given)
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
