"""Save a reward model as a transformers folder, and load it back to the same scores."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from steersman.errors import PluginError
from steersman.modeling.chat import closing_tokens
from steersman.modeling.classifier import LinearHead, classifier, split_classifier
from steersman.modeling.encoder import is_encoder
from steersman.modeling.loading import CONFIG_FILE, load_backbone, load_classifier, quiet_transformers, read_config
from steersman.modeling.precision import placed
from steersman.pipeline.lineages import ORIGIN_KEY, Inheritance
from steersman.pipeline.saving import explained_weight_errors
from steersman.reward.foreign import foreign_spec
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import SPEC_KEY, RewardSpec
from steersman.store.files import whole_folder

HEAD_FILE = "reward_head.safetensors"
_WEIGHT, _BIAS = "linear.weight", "linear.bias"
_TIES = "ties."
_CLASSIFIER = "ForSequenceClassification"


def save_reward_model(
    folder: Path, model: RewardModel, tokenizer: PreTrainedTokenizerBase, *, origin: Inheritance | None = None
) -> None:
    """Write `model` and `tokenizer` to `folder`, whole or not at all, in the number format the weights have.

    Where its shape allows, `AutoModelForSequenceClassification` loads the folder and gives the same outputs; what such
    a model cannot hold is in `reward_head.safetensors` beside it. `origin` says what the model was made from, in the
    config. Raises RunError when the disk is full.
    """
    describe(model.backbone.config, spec=model.spec, tokenizer=tokenizer)
    if origin is not None:
        setattr(model.backbone.config, ORIGIN_KEY, asdict(origin))
    head = {name: tensor.contiguous() for name, tensor in model.head.state_dict().items()}
    with explained_weight_errors(folder), whole_folder(folder) as temporary, quiet_transformers():
        if model.spec.beyond_transformers(is_encoder=is_encoder(model.backbone.config)):
            model.backbone.save_pretrained(temporary)
        else:
            linear = LinearHead(head.pop(_WEIGHT), head.pop(_BIAS, None))
            with classifier(model.backbone, linear) as whole:
                whole.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        if head:
            save_file(head, temporary / HEAD_FILE)


def describe(config: PreTrainedConfig, *, spec: RewardSpec, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write into a model's `config` what its outputs are called and how they are read."""
    if not is_encoder(config):
        _separate_pad_token(config, tokenizer)
    names = spec.output_names()
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    config.problem_type = "regression"
    config.reward_weights = dict(spec.weights)
    setattr(config, SPEC_KEY, spec.to_config())


def _separate_pad_token(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """See to it that no conversation ends with the padding token.

    transformers reads the score at the last token that is no padding. Where there is no token to spare there is no
    padding: transformers then scores one conversation at a time, and says so when it is given more.
    """
    ends = {tokenizer.eos_token_id, *closing_tokens(tokenizer)}
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id in ends:
        limit = config.get_text_config().vocab_size
        tokenizer.pad_token = next(iter(_spare_tokens(tokenizer, ends=ends, limit=limit)), None)
    config.pad_token_id = tokenizer.pad_token_id


def _spare_tokens(tokenizer: PreTrainedTokenizerBase, *, ends: set[int | None], limit: int) -> list[str]:
    template = str(tokenizer.chat_template)
    added = sorted(tokenizer.added_tokens_decoder.items())
    unused = [token.content for _, token in added if token.special and token.content not in template]
    names = [name for name in (tokenizer.unk_token, tokenizer.bos_token, *unused) if name is not None]
    numbers = {name: cast(int, tokenizer.convert_tokens_to_ids(name)) for name in names}
    return [name for name in names if numbers[name] not in ends and numbers[name] < limit]


def load_reward_model(folder: Path, *, dtype: torch.dtype, device: torch.device) -> RewardModel:
    """Return the reward model in `folder`, in evaluation mode: one of ours, or a linear classification model.

    Raises PluginError when it is no reward model, or its head is missing or of another shape.
    """
    config = read_config(folder)
    spec = spec_of(config, folder=folder)
    backbone, head = _backbone(folder, config, spec=spec, dtype=dtype)
    return placed_reward_model(_with_head(folder, backbone, spec=spec, saved=head), device)


def placed_reward_model(model: RewardModel, device: torch.device) -> RewardModel:
    """Return `model` on `device`, in evaluation mode."""
    placed(model.backbone, device)
    model.head.to(device)
    return model.eval()


def spec_of(config: PreTrainedConfig, *, folder: Path) -> RewardSpec:
    """Return what a model's config says of its head; without a word of ours, its labels name the outputs.

    Raises PluginError when that is no reward model.
    """
    own = getattr(config, SPEC_KEY, None)
    if own is not None:
        try:
            return RewardSpec.from_config(own)
        except ValueError as error:
            raise PluginError(f"{folder / CONFIG_FILE}: its entry {SPEC_KEY!r} is damaged: {error}") from error
    kinds = config.architectures or []
    if kinds and not any(kind.endswith(_CLASSIFIER) for kind in kinds):
        raise PluginError(
            f"{folder}: is no reward model, but a {kinds[0]}; train one from it with steersman train reward"
        )
    labels = cast("Mapping[int, str]", config.id2label or {})
    weights = cast("Mapping[str, float] | None", getattr(config, "reward_weights", None))
    return foreign_spec([labels[index] for index in sorted(labels)], weights, is_encoder=is_encoder(config))


def _backbone(
    folder: Path, config: PreTrainedConfig, *, spec: RewardSpec, dtype: torch.dtype
) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    if spec.beyond_transformers(is_encoder=is_encoder(config)):
        return load_backbone(folder, dtype=dtype, device=torch.device("cpu")), {}
    backbone, head = split_classifier(load_classifier(folder, num_outputs=None, dtype=dtype))
    # an encoder's classification model has a bias where ours has none: zeros
    bias = {_BIAS: head.bias} if spec.has_bias and head.bias is not None else {}
    return backbone, {_WEIGHT: head.weight, **bias}


def _with_head(
    folder: Path, backbone: PreTrainedModel, *, spec: RewardSpec, saved: Mapping[str, torch.Tensor]
) -> RewardModel:
    try:
        found = {**(load_file(folder / HEAD_FILE) if (folder / HEAD_FILE).is_file() else {}), **saved}
        head = Head(backbone.config.hidden_size, spec=spec, models_ties=any(name.startswith(_TIES) for name in found))
        head.load_state_dict(found)
    except (RuntimeError, SafetensorError) as error:
        raise PluginError(f"{folder}: its head does not fit its config.json ({error})") from error
    return RewardModel(backbone, head, spec=spec)
