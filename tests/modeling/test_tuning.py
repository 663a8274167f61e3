"""What moves in each mode, and that merging adapters changes no output."""

import warnings
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import nn
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.config.sections import TuneSettings
from steersman.errors import ConfigError
from steersman.modeling.loading import load_backbone, load_policy
from steersman.modeling.tuning import make_trainable, merged, num_frozen_layers

UPPER = TuneSettings(mode="upper", layers=1)
LORA = TuneSettings(mode="lora", lora_rank=2)
FULL = TuneSettings(mode="full")
FROZEN = TuneSettings(mode="frozen")
IDS = torch.tensor([[65, 66, 67]])


@pytest.fixture
def backbone(tiny_model_folder: Path) -> PreTrainedModel:
    return load_backbone(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def policy(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


def trained(model: nn.Module) -> set[str]:
    return {name for name, each in model.named_parameters() if each.requires_grad}


def moved(model: nn.Module, loss: torch.Tensor) -> set[str]:
    loss.backward()
    return {name for name, each in model.named_parameters() if each.grad is not None}


def outputs(model: nn.Module) -> torch.Tensor:
    """Return logits, or the states of a model without a head."""
    found: torch.Tensor = model(input_ids=IDS)[0]
    return found


def shake(model: nn.Module) -> None:
    """Give every trained weight another value, as training would."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in model.parameters():
            if each.requires_grad:
                each.add_(torch.randn(each.shape, generator=generator), alpha=0.3)


def test_adapters_are_put_in_without_a_word(backbone: PreTrainedModel) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        make_trainable(backbone, tune=LORA)
    assert [str(each.message) for each in said] == []


def test_upper_trains_the_top_layers_and_the_norm(backbone: PreTrainedModel) -> None:
    top = {name for name, _ in backbone.named_parameters() if name.startswith("layers.1.")}
    assert make_trainable(backbone, tune=UPPER) is backbone
    assert trained(backbone) == top | {"norm.weight"}


def test_upper_leaves_the_tied_embedding_of_a_policy_alone(policy: PreTrainedModel) -> None:
    top = {name for name, _ in policy.named_parameters() if name.startswith("model.layers.1.")}
    make_trainable(policy, tune=UPPER)
    assert trained(policy) == top | {"model.norm.weight"}


def test_full_trains_everything(backbone: PreTrainedModel) -> None:
    backbone.requires_grad_(False)
    make_trainable(backbone, tune=FULL)
    assert trained(backbone) == {name for name, _ in backbone.named_parameters()}


def test_frozen_trains_nothing(backbone: PreTrainedModel) -> None:
    assert make_trainable(backbone, tune=FROZEN) is backbone
    assert trained(backbone) == set()


def test_lora_trains_adapters_on_every_linear_map_of_a_backbone(backbone: PreTrainedModel) -> None:
    adapted = make_trainable(backbone, tune=LORA)
    assert isinstance(adapted, PeftModel)
    names = moved(adapted, backbone(input_ids=IDS).last_hidden_state.sum())
    assert names == trained(adapted)
    # seven linear maps per layer, two matrices each
    assert len(names) == 2 * 7 * 2
    assert all(".lora_" in name for name in names)


def test_lora_on_a_policy_trains_adapters_only(policy: PreTrainedModel) -> None:
    adapted = make_trainable(policy, tune=LORA)
    assert len(trained(adapted)) == 2 * 7 * 2
    assert all(".lora_" in name for name in trained(adapted))


def test_fresh_adapters_change_no_output(policy: PreTrainedModel) -> None:
    before = policy(input_ids=IDS).logits
    make_trainable(policy, tune=LORA)
    assert_close(policy(input_ids=IDS).logits, before)


def test_adapters_work_in_the_very_model_they_are_put_in(backbone: PreTrainedModel) -> None:
    adapted = make_trainable(backbone, tune=LORA)
    shake(adapted)
    assert_close(outputs(backbone), outputs(adapted))


@pytest.mark.parametrize("kind", ["backbone", "policy"])
def test_a_merged_model_is_plain_and_gives_the_adapted_outputs(kind: str, request: pytest.FixtureRequest) -> None:
    # in float64: W x + B A x and (W + B A) x round differently, and by how much depends on the processor
    model: PreTrainedModel = request.getfixturevalue(kind).double()
    plain_names = set(model.state_dict())
    before = outputs(model)
    adapted = make_trainable(model, tune=LORA)
    shake(adapted)
    expected = outputs(adapted)
    assert (expected - before).abs().max() > 0.01
    found = merged(adapted)
    assert (type(found), set(found.state_dict())) == (type(model), plain_names)
    assert_close(outputs(found), expected, atol=1e-9, rtol=1e-9)


def test_a_model_without_adapters_is_merged_already(policy: PreTrainedModel) -> None:
    assert merged(policy) is policy


@pytest.mark.parametrize(("tune", "frozen"), [(UPPER, 1), (TuneSettings(mode="upper", layers=2), 0), (LORA, 0)])
def test_frozen_layers_are_those_below_the_trained_ones(
    policy: PreTrainedModel, tune: TuneSettings, frozen: int
) -> None:
    assert num_frozen_layers(policy, tune=tune) == frozen


def test_full_tuning_freezes_nothing(policy: PreTrainedModel) -> None:
    assert num_frozen_layers(policy, tune=FULL) == 0


def test_more_layers_than_there_are_is_a_config_error(policy: PreTrainedModel) -> None:
    with pytest.raises(ConfigError, match=r"tune\.layers is 3, but the model has only 2 layers"):
        make_trainable(policy, tune=TuneSettings(mode="upper", layers=3))
