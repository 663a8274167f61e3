"""Choose which weights move, and by whose gradients: upper layers, adapters, or everything."""

from typing import cast

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from steersman.config.sections import TuneSettings
from steersman.errors import ConfigError
from steersman.modeling.encoder import is_encoder
from steersman.modeling.layers import backbone_of, layers_of
from steersman.modeling.loading import quiet_transformers

_LORA_TARGETS = "all-linear"
_LORA_ALPHA_PER_RANK = 2


def num_frozen_layers(model: PreTrainedModel, *, tune: TuneSettings) -> int:
    """Return how many lower layers stay as they are and may be cached; 0 for adapters and full tuning."""
    if tune.mode != "upper" or tune.layers is None:
        return 0
    if is_encoder(model.config):
        raise ConfigError(f"tune.mode 'upper' splits decoders only; train {type(model).__name__} by another mode")
    total = len(layers_of(model))
    if tune.layers > total:
        raise ConfigError(f"tune.layers is {tune.layers}, but the model has only {total} layers")
    return total - tune.layers


def truncated(model: PreTrainedModel, *, layers: int) -> PreTrainedModel:
    """Return `model`, in place, with its lower `layers` layers only, below its own final norm; its config says so.

    Raises ConfigError when it has fewer layers.
    """
    backbone = backbone_of(model)
    total = len(layers_of(backbone))
    if layers > total:
        raise ConfigError(f"reward.backbone_layers is {layers}, but the model has only {total} layers")
    backbone.layers = layers_of(backbone)[:layers]
    config = backbone.config
    config.num_hidden_layers = layers
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        config.layer_types = kinds[:layers]
    return model


def make_trainable(model: PreTrainedModel, *, tune: TuneSettings) -> nn.Module:
    """Set what is trained in `model` and return the model to train, with adapters put in for lora.

    The embedding and a language-model head tied to it move in full mode only, and nothing does in frozen mode.
    """
    if tune.mode == "full":
        model.requires_grad_(True)
        return model
    model.requires_grad_(False)
    if tune.mode == "frozen":
        return model
    if tune.mode == "lora":
        return _with_adapters(model, rank=tune.lora_rank or 1)
    for layer in layers_of(model)[num_frozen_layers(model, tune=tune) :]:
        layer.requires_grad_(True)
    cast(nn.Module, backbone_of(model).norm).requires_grad_(True)
    return model


def _with_adapters(model: PreTrainedModel, *, rank: int) -> PeftModel:
    config = LoraConfig(r=rank, lora_alpha=_LORA_ALPHA_PER_RANK * rank, target_modules=_LORA_TARGETS)
    with quiet_transformers():
        # peft asks transformers by names that it warns of
        return cast(PeftModel, get_peft_model(model, config))


def merged(model: nn.Module) -> PreTrainedModel:
    """Return the plain transformers model with any adapters merged into its weights."""
    if isinstance(model, PeftModel):
        return cast(PreTrainedModel, model.merge_and_unload())
    return cast(PreTrainedModel, model)
