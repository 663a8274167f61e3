"""What moves in each mode, and that merging adapters changes no output."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import nn
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.config.sections import TuneSettings
from steersman.errors import ConfigError
from steersman.modeling.loading import load_classifier, load_policy
from steersman.modeling.tuning import make_trainable, merged, num_frozen_layers

UPPER = TuneSettings(mode="upper", layers=1)
LORA = TuneSettings(mode="lora", lora_rank=2)
FULL = TuneSettings(mode="full")
IDS = torch.tensor([[65, 66, 67]])


@pytest.fixture
def classifier(tiny_model_folder: Path) -> PreTrainedModel:
    return load_classifier(tiny_model_folder, num_outputs=2, dtype=torch.float32)


@pytest.fixture
def policy(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


def trained(model: nn.Module) -> set[str]:
    return {name for name, each in model.named_parameters() if each.requires_grad}


def moved(model: nn.Module, loss: torch.Tensor) -> set[str]:
    loss.backward()
    return {name for name, each in model.named_parameters() if each.grad is not None}


def shake(model: nn.Module) -> None:
    """Give every trained weight another value, as training would."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in model.parameters():
            if each.requires_grad:
                each.add_(torch.randn(each.shape, generator=generator), alpha=0.3)


def test_upper_trains_the_top_layers_the_norm_and_the_head(classifier: PreTrainedModel) -> None:
    top = {name for name, _ in classifier.named_parameters() if name.startswith("model.layers.1.")}
    assert make_trainable(classifier, tune=UPPER) is classifier
    assert trained(classifier) == top | {"model.norm.weight", "score.weight"}


def test_upper_leaves_the_tied_embedding_of_a_policy_alone(policy: PreTrainedModel) -> None:
    top = {name for name, _ in policy.named_parameters() if name.startswith("model.layers.1.")}
    make_trainable(policy, tune=UPPER)
    assert trained(policy) == top | {"model.norm.weight"}


def test_full_trains_everything(classifier: PreTrainedModel) -> None:
    classifier.requires_grad_(False)
    make_trainable(classifier, tune=FULL)
    assert trained(classifier) == {name for name, _ in classifier.named_parameters()}


def test_lora_trains_adapters_on_every_linear_map_and_the_head(classifier: PreTrainedModel) -> None:
    adapted = make_trainable(classifier, tune=LORA)
    assert isinstance(adapted, PeftModel)
    loss = classifier(input_ids=IDS).logits.sum()
    names = moved(adapted, loss)
    assert names == trained(adapted)
    # seven linear maps per layer, two matrices each, and the head
    assert len([name for name in names if ".lora_" in name]) == 2 * 7 * 2
    assert len([name for name in names if ".lora_" not in name]) == 1
    assert any("score" in name for name in names)


def test_lora_on_a_policy_trains_adapters_only(policy: PreTrainedModel) -> None:
    adapted = make_trainable(policy, tune=LORA)
    assert len(trained(adapted)) == 2 * 7 * 2
    assert all(".lora_" in name for name in trained(adapted))


def test_fresh_adapters_change_no_output(policy: PreTrainedModel) -> None:
    before = policy(input_ids=IDS).logits
    make_trainable(policy, tune=LORA)
    assert_close(policy(input_ids=IDS).logits, before)


def test_adapters_come_with_the_head_on_the_very_model_they_are_put_in(classifier: PreTrainedModel) -> None:
    adapted = make_trainable(classifier, tune=LORA)
    shake(adapted)
    assert_close(classifier(input_ids=IDS).logits, adapted(input_ids=IDS).logits)


@pytest.mark.parametrize("kind", ["classifier", "policy"])
def test_a_merged_model_is_plain_and_gives_the_adapted_outputs(kind: str, request: pytest.FixtureRequest) -> None:
    model: PreTrainedModel = request.getfixturevalue(kind)
    plain_names = set(model.state_dict())
    before = model(input_ids=IDS).logits
    adapted = make_trainable(model, tune=LORA)
    shake(adapted)
    expected = adapted(input_ids=IDS).logits
    assert (expected - before).abs().max() > 0.01
    found = merged(adapted)
    assert (type(found), set(found.state_dict())) == (type(model), plain_names)
    assert_close(found(input_ids=IDS).logits, expected, atol=1e-5, rtol=1e-5)


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
