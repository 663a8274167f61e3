"""Lower then upper layers are the whole model, and the model is left as it was."""

from contextlib import nullcontext
from typing import cast

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedConfig, PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import (
    all_states,
    backbone_of,
    check_split,
    layers_of,
    lower_states,
    upper_states,
)
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack

NUM_LAYERS = 3


@pytest.fixture
def packed() -> Packed:
    return pack([Group((1, 2, 3), (ResponseTokens((4, 5), 2), ResponseTokens((6,), 1)))])


@pytest.fixture
def model() -> PreTrainedModel:
    """Return a random 3-layer Llama whose final norm is not the identity on normed states."""
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: PreTrainedModel = LlamaForCausalLM(config).eval()
        nn.init.uniform_(made.get_parameter("model.norm.weight"), 0.5, 2.0)
    return made


@pytest.mark.parametrize("num_lower", range(NUM_LAYERS + 1))
def test_lower_then_upper_layers_are_the_whole_model(model: PreTrainedModel, packed: Packed, num_lower: int) -> None:
    with torch.no_grad():
        lower_TD = lower_states(model, packed, num_lower=num_lower)
        halves_TD = upper_states(model, lower_TD, packed, num_lower=num_lower)
        assert_close(halves_TD, all_states(model, packed))


@pytest.mark.parametrize("num_lower", range(NUM_LAYERS + 1))
def test_lower_states_are_those_that_transformers_reports(
    model: PreTrainedModel, packed: Packed, num_lower: int
) -> None:
    given: list[torch.Tensor] = []
    # what goes into layer i, or into the final norm, is what the layers below gave
    after = layers_of(model)[num_lower] if num_lower < NUM_LAYERS else cast(nn.Module, backbone_of(model).norm)
    hook = after.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][0]))
    with torch.no_grad():
        all_states(model, packed)
        hook.remove()
        assert_close(lower_states(model, packed, num_lower=num_lower), given[0])


@pytest.mark.parametrize("num_lower", range(NUM_LAYERS + 1))
@pytest.mark.parametrize("is_packed", [False, True])
def test_states_at_a_few_places_are_those_of_the_whole_row(
    model: PreTrainedModel, packed: Packed, num_lower: int, is_packed: bool
) -> None:
    places = torch.tensor([5, 2, 4])
    with torch.no_grad():
        expected_TD = all_states(model, packed)
        lower_TD = lower_states(model, packed, num_lower=num_lower)
        with packed_attention(model) if is_packed else nullcontext():
            assert_close(all_states(model, packed, places=places), expected_TD[places])
            found_PD = upper_states(model, lower_TD, packed, num_lower=num_lower, places=places)
            assert_close(found_PD, expected_TD[places])


def test_gradients_of_the_upper_layers_reach_their_weights_and_not_the_lower_ones(
    model: PreTrainedModel, packed: Packed
) -> None:
    lower_TD = lower_states(model, packed, num_lower=1).detach()
    upper_states(model, lower_TD, packed, num_lower=1).sum().backward()
    moved = [any(each.grad is not None for each in layer.parameters()) for layer in layers_of(model)]
    assert moved == [False, True, True]


def test_a_split_that_holds_is_accepted(model: PreTrainedModel, packed: Packed) -> None:
    check_split(model, packed, num_lower=2)


class ScaledByDepth(nn.Module):
    """A layer whose output depends on how many layers the model says it has."""

    def __init__(self, layer: nn.Module, config: PreTrainedConfig) -> None:
        super().__init__()
        self.layer = layer
        self.config = config

    def forward(self, states: torch.Tensor, **inputs: object) -> torch.Tensor:
        return cast(torch.Tensor, self.layer(states, **inputs)) + int(self.config.num_hidden_layers)


def test_a_model_that_cannot_be_split_is_refused(model: PreTrainedModel, packed: Packed) -> None:
    layers_of(model)[0] = ScaledByDepth(layers_of(model)[0], model.config)
    with pytest.raises(PluginError, match=r"cannot be split at layer 1 .*tune.mode 'lora' or 'full'"):
        check_split(model, packed, num_lower=1)


@pytest.mark.parametrize("num_lower", range(NUM_LAYERS + 1))
def test_the_model_is_unchanged_after_a_split(model: PreTrainedModel, packed: Packed, num_lower: int) -> None:
    before = dict(backbone_of(model).named_modules())
    check_split(model, packed, num_lower=num_lower)
    assert dict(backbone_of(model).named_modules()) == before
    assert model.config.num_hidden_layers == NUM_LAYERS


def test_the_model_is_unchanged_after_a_split_that_failed(model: PreTrainedModel, packed: Packed) -> None:
    before = dict(backbone_of(model).named_modules())
    too_wide = torch.zeros(6, 17)
    with pytest.raises(RuntimeError):
        upper_states(model, too_wide, packed, num_lower=1)
    assert dict(backbone_of(model).named_modules()) == before
    assert model.config.num_hidden_layers == NUM_LAYERS


def test_a_model_with_other_insides_is_refused_by_name() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=8, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(PluginError, match="GPT2LMHeadModel is not a decoder with layers and a final norm"):
        backbone_of(model)


def test_layers_come_lowest_first(model: PreTrainedModel) -> None:
    found = [layer.get_submodule("self_attn") for layer in layers_of(model)]
    assert [each.layer_idx for each in found] == [0, 1, 2]
