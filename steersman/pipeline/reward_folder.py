"""Save a reward model as a transformers folder, and load it back to the same scores."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from steersman.errors import PluginError
from steersman.modeling.classifier import as_classifier, split_classifier
from steersman.modeling.loading import check_model_folder, load_backbone, load_classifier, quiet_transformers
from steersman.modeling.precision import placed
from steersman.pipeline.saving import explained_weight_errors
from steersman.records import GOODNESS_WEIGHTS
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import SPEC_KEY, RewardSpec
from steersman.store.files import whole_folder

HEAD_FILE = "reward_head.safetensors"
_LINEAR = "linear.weight"
_TIES = "ties."


def save_reward_model(folder: Path, model: RewardModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `model` and `tokenizer` to `folder`, whole or not at all.

    Where its shape allows, `AutoModelForSequenceClassification` loads the folder and gives the same outputs; what such
    a model cannot hold is in `reward_head.safetensors` beside it. Raises RunError when the disk is full.
    """
    describe(model.backbone.config, spec=model.spec, tokenizer=tokenizer)
    head = {name: tensor.contiguous() for name, tensor in model.head.state_dict().items()}
    body = model.backbone
    if model.spec.fits_transformers:
        body = as_classifier(model.backbone, head.pop(_LINEAR))
    with explained_weight_errors(folder), whole_folder(folder) as temporary, quiet_transformers():
        body.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        if head:
            save_file(head, temporary / HEAD_FILE)


def describe(config: PreTrainedConfig, *, spec: RewardSpec, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write into a model's `config` what its outputs are called and how they are read."""
    _separate_pad_token(config, tokenizer)
    names = spec.output_names()
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    config.problem_type = "regression"
    config.reward_weights = dict(spec.weights)
    setattr(config, SPEC_KEY, spec.to_config())


def _separate_pad_token(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    # transformers reads the score at the last token that is no padding: with pad == eos it would miss the end
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        spare = tokenizer.unk_token or tokenizer.bos_token
        if spare is not None and spare != tokenizer.eos_token:
            tokenizer.pad_token = spare
    config.pad_token_id = tokenizer.pad_token_id


def load_reward_model(folder: Path, *, dtype: torch.dtype, device: torch.device) -> RewardModel:
    """Return the reward model in `folder`, in evaluation mode: one of ours, or a linear classification model.

    Raises PluginError when it is no reward model, or its head is missing or of another shape.
    """
    check_model_folder(folder)
    with quiet_transformers():
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    spec = spec_of(config, folder=folder)
    backbone, weight = _backbone(folder, spec=spec, dtype=dtype)
    return placed_reward_model(_with_head(folder, backbone, spec=spec, weight=weight), device)


def placed_reward_model(model: RewardModel, device: torch.device) -> RewardModel:
    """Return `model` on `device`, in evaluation mode."""
    placed(model.backbone, device)
    model.head.to(device)
    return model.eval()


def spec_of(config: PreTrainedConfig, *, folder: Path) -> RewardSpec:
    """Return what a model's config says of its head; without a word of ours, its labels name the attributes."""
    own = getattr(config, SPEC_KEY, None)
    if own is None:
        labels = cast("dict[int, str]", config.id2label or {})
        weights = getattr(config, "reward_weights", None) or GOODNESS_WEIGHTS
        return RewardSpec("linear", tuple(labels[index] for index in sorted(labels)), weights)
    try:
        return RewardSpec.from_config(own)
    except ValueError as error:
        raise PluginError(f"{folder}: the entry {SPEC_KEY!r} of its config.json is damaged: {error}") from error


def _backbone(folder: Path, *, spec: RewardSpec, dtype: torch.dtype) -> tuple[PreTrainedModel, torch.Tensor | None]:
    if spec.fits_transformers:
        return split_classifier(load_classifier(folder, num_outputs=None, dtype=dtype))
    return load_backbone(folder, dtype=dtype, device=torch.device("cpu")), None


def _with_head(
    folder: Path, backbone: PreTrainedModel, *, spec: RewardSpec, weight: torch.Tensor | None
) -> RewardModel:
    file = folder / HEAD_FILE
    saved = load_file(file) if file.is_file() else {}
    if weight is not None:
        saved[_LINEAR] = weight
    head = Head(backbone.config.hidden_size, spec=spec, models_ties=any(name.startswith(_TIES) for name in saved))
    try:
        head.load_state_dict(saved)
    except RuntimeError as error:
        raise PluginError(f"{folder}: its head does not fit its config.json ({error})") from error
    return RewardModel(backbone, head, spec=spec)
