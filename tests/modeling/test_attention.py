"""Attention without gradients gives what PyTorch's own does, whatever the blocks, and leaves the model as it was."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling import attention
from steersman.modeling.attention import grouped_attention, packed_attention
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states, frozen_states
from steersman.modeling.loading import load_policy
from steersman.modeling.packing import pack


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


GROUPS = [group(5, 4, 7), group(1, 9), group(8, 1, 1, 6), group(3, 3)]


@pytest.mark.parametrize("block", [1, 3, 128])
@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_packed_attention_is_attention_under_the_mask(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, number: int, block: int
) -> None:
    monkeypatch.setattr(attention, "_BLOCK_QUERIES", block)
    packed = pack(GROUPS[number])
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
    packed = pack(GROUPS[0])
    with packed_attention(model, packed):
        assert model.config._attn_implementation == "steersman_packed"
        with pytest.raises(RuntimeError, match="inside"), grouped_attention(model):
            raise RuntimeError("inside")
        assert model.config._attn_implementation == "steersman_packed"
    assert model.config._attn_implementation == "sdpa"
