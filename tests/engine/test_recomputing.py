"""Layers that are computed again in the backward pass have the gradients of layers that are remembered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from constant_model import Constant, run, schedule, squared_errors
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.engine.recomputing import recomputing
from steersman.errors import PluginError
from steersman.modeling.chat import group_tokens
from steersman.modeling.layers import all_states, layers_of
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack
from steersman.records import Message


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def packed(tiny_model_folder: Path) -> Packed:
    tokenizer = load_tokenizer(tiny_model_folder)
    texts = (("a question?", ["yes", "no, never"]), ("another?", ["perhaps", "so"]))
    return pack([group_tokens(tokenizer, [Message("user", prompt)], answers) for prompt, answers in texts])


@contextmanager
def counted_passes(model: PreTrainedModel, *, layer: int) -> Iterator[list[int]]:
    """Count how often the queries of a layer are computed."""
    calls: list[int] = []
    projection = model.get_submodule(f"model.layers.{layer}.self_attn.q_proj")
    handle = projection.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


def gradients(model: PreTrainedModel, packed: Packed) -> list[torch.Tensor]:
    states_TD = all_states(model, packed)
    weights_TD = torch.randn(states_TD.shape, generator=torch.Generator().manual_seed(0))
    loss = (states_TD * weights_TD).sum()
    return [each for each in torch.autograd.grad(loss, list(model.parameters()), allow_unused=True) if each is not None]


@pytest.mark.parametrize("is_packed", [True, False])
def test_recomputed_layers_have_the_same_gradients(model: PreTrainedModel, packed: Packed, is_packed: bool) -> None:
    def both() -> tuple[list[torch.Tensor], list[torch.Tensor], int]:
        remembered = gradients(model, packed)
        with recomputing(model), counted_passes(model, layer=0) as calls:
            return remembered, gradients(model, packed), len(calls)

    if is_packed:
        with packed_attention(model):
            remembered, recomputed, passes = both()
    else:
        remembered, recomputed, passes = both()
    assert passes == 2
    for expected, found in zip(remembered, recomputed, strict=True):
        assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_last_layer_runs_once(model: PreTrainedModel, packed: Packed) -> None:
    with recomputing(model), counted_passes(model, layer=1) as calls:
        gradients(model, packed)
    assert len(calls) == 1


def test_fewer_activations_are_remembered(model: PreTrainedModel, packed: Packed) -> None:
    def remembered() -> int:
        sizes: list[int] = []

        def pack_hook(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack_hook, lambda tensor: tensor):
            all_states(model, packed)
        return sum(sizes)

    with packed_attention(model):
        plain = remembered()
        with recomputing(model):
            # one of two layers forgets
            assert remembered() < 0.75 * plain


def test_without_gradients_layers_run_as_ever_and_after_it_they_are_as_before(
    model: PreTrainedModel, packed: Packed
) -> None:
    first = layers_of(model)[0]
    with packed_attention(model):
        leaner = vars(first)["forward"]
        with recomputing(model), torch.no_grad():
            inside = all_states(model, packed)
        assert vars(first)["forward"] is leaner
        with torch.no_grad():
            assert torch.equal(all_states(model, packed), inside)
    assert "forward" not in vars(first)


def test_a_model_without_layers_is_refused() -> None:
    model = Constant()
    with pytest.raises(PluginError, match=r"set engine\.checkpointing to false"):
        run(model, squared_errors(model, [[1.0]]), schedule(engine={"checkpointing": True}))
