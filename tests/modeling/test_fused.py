"""Leaner layers give what transformers' own give, forward and backward, and leave the model as it was."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.fused import leaner_layers, takes_places
from steersman.modeling.layers import all_states, layers_of
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack
from steersman.modeling.precision import placed
from steersman.modeling.tuning import _with_adapters

SHAPE: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# only the last layer has a window
WINDOWS: dict[str, Any] = {"use_sliding_window": True, "sliding_window": 2, "max_window_layers": 2}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SHAPE, head_dim=16, sliding_window=None)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=16)),
    "windowed mistral": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=2)),
    "windowed qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=16, **WINDOWS)),
}
PACKED = pack(
    [
        Group((1, 2, 3), (ResponseTokens((4, 5), 2), ResponseTokens((6,), 1))),
        Group((), (ResponseTokens((7, 8, 9), 3), ResponseTokens((9, 8), 2))),
    ]
)


def made(kind: str) -> PreTrainedModel:
    """Return a random model whose norms and biases are not the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MODELS[kind]()
        for weights in model.parameters():
            if weights.ndim == 1:
                nn.init.uniform_(weights, 0.5, 2.0)
            else:
                nn.init.normal_(weights, std=0.2)
    model.train()
    return model


def gradients(model: nn.Module, states_TD: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of a sum of states with uneven weights."""
    weights = torch.linspace(-1, 1, states_TD.numel(), device=states_TD.device).view(states_TD.shape)
    model.zero_grad()
    (states_TD.float() * weights).sum().backward()
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], *, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("checkpoints", [False, True])
def test_states_and_gradients_are_those_of_transformers(kind: str, checkpoints: bool) -> None:
    model = made(kind)
    expected_TD = all_states(model, PACKED)
    expected = gradients(model, expected_TD)
    if checkpoints:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    with packed_attention(model):
        found_TD = all_states(model, PACKED)
        found = gradients(model, found_TD)
    assert (found_TD - expected_TD).norm() <= 1e-6 * expected_TD.norm()
    assert_same(found, expected, tolerance=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_of_states_at_a_few_places_are_those_of_the_whole_row(kind: str) -> None:
    model, places = made(kind), torch.tensor([4, 2, 10])
    # in float64: terms of a key's bias nearly cancel, so that two float32 passes differ by more than each errs
    exact = made(kind).double()
    expected = {name: each.float() for name, each in gradients(exact, all_states(exact, PACKED)[places]).items()}
    with packed_attention(model):
        assert takes_places(layers_of(model)[-1])
        assert_same(gradients(model, all_states(model, PACKED, places=places)), expected, tolerance=1e-5)


def relative_error(found: dict[str, torch.Tensor], exact: dict[str, torch.Tensor]) -> float:
    gap = torch.cat([(found[name] - exact[name]).flatten() for name in exact])
    return float(gap.norm() / torch.cat([each.flatten() for each in exact.values()]).norm())


@pytest.mark.parametrize("kind", MODELS)
def test_under_autocast_gradients_are_as_near_the_exact_ones_as_those_of_transformers(kind: str) -> None:
    model = made(kind)
    exact = gradients(model, all_states(model, PACKED))
    errors = []
    for context in (nullcontext(), packed_attention(model)):
        with torch.autocast("cpu", dtype=torch.bfloat16), context:
            errors.append(relative_error(gradients(model, all_states(model, PACKED)), exact))
    theirs, ours = errors
    assert 0 < theirs < 0.1
    # where each of few roundings falls is chance: half as much again is allowed
    assert ours < 1.5 * theirs


def test_the_gradients_of_two_rows_in_one_autocast_context_are_the_sum_of_each_alone() -> None:
    model, other = made("llama"), pack([Group((3, 2), (ResponseTokens((1,), 1),))])

    def of(*rows: Packed) -> dict[str, torch.Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16), packed_attention(model):
            for row in rows:
                all_states(model, row).float().square().sum().backward()
        return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}

    first, second, together = of(PACKED), of(other), of(PACKED, other)
    assert "model.embed_tokens.weight" in together
    for name, gradient in together.items():
        assert gradient.dtype == torch.float32
        assert_close(gradient, first[name] + second[name])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", MODELS)
def test_on_a_gpu_states_and_gradients_are_those_of_transformers(kind: str) -> None:
    device = torch.device("cuda")
    model, packed = placed(made(kind), device), PACKED.to(device)
    expected_TD = all_states(model, packed)
    expected = gradients(model, expected_TD)
    with packed_attention(model):
        found_TD = all_states(model, packed)
        found = gradients(model, found_TD)
    # float32 products on a GPU may be in TensorFloat-32, of ten bits
    assert (found_TD - expected_TD).norm() <= 2e-3 * expected_TD.norm()
    assert_same(found, expected, tolerance=5e-3)


def test_a_rerun_gives_the_same_bits() -> None:
    model = made("llama")
    with packed_attention(model):
        first = gradients(model, all_states(model, PACKED))
        second = gradients(model, all_states(model, PACKED))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adapters_are_called_and_get_gradients() -> None:
    model = made("llama")
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapted = _with_adapters(model, rank=2)
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weights, std=0.1)
    expected_TD = all_states(model, PACKED)
    expected = gradients(adapted, expected_TD)
    with packed_attention(model):
        found_TD = all_states(model, PACKED)
        assert (found_TD - expected_TD).norm() <= 1e-6 * expected_TD.norm()
        assert_same(gradients(adapted, found_TD), expected, tolerance=1e-5)
    assert any("lora_A" in name for name in expected)


def test_the_model_is_as_before_afterwards() -> None:
    model = made("llama")
    names = set(model.state_dict())
    with packed_attention(model):
        assert takes_places(layers_of(model)[-1])
        assert set(model.state_dict()) == names
    with pytest.raises(RuntimeError, match="inside"), packed_attention(model):
        raise RuntimeError("inside")
    assert not any("forward" in vars(layer) for layer in layers_of(model))


def test_a_context_within_a_context_gives_the_layers_back_to_the_outer_one() -> None:
    model = made("llama")
    with packed_attention(model):
        with packed_attention(model):
            pass
        assert takes_places(layers_of(model)[-1])


def test_layers_of_another_activation_stay_as_they_are() -> None:
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, hidden_act="gelu"))
    with leaner_layers(layers_of(model)):
        assert not takes_places(layers_of(model)[-1])
    expected_TD = all_states(model, PACKED)
    with packed_attention(model):
        assert_close(all_states(model, PACKED), expected_TD, atol=2e-6, rtol=2e-6)
