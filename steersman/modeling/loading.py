"""Load and save models and tokenizers from a folder, with clear errors; make tiny random models."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from steersman.errors import PluginError
from steersman.modeling.encoder import is_encoder, without_output
from steersman.modeling.precision import placed
from steersman.modeling.support import check_attention

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
_HEAD_WEIGHT = "score.weight"
# What transformers adds to an encoder for classification: a released encoder has some of it, or none.
_ENCODER_HEADS = {"classifier", "pre_classifier", "pooler", "head"}
_ENCODER_HEAD_SEED = 0
# ChatML, the public format of many chat models
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# For encoders, whose tokenizers know no turns: [CLS]user, a line feed, the text, [SEP]assistant, and so on.
_PLAIN_TURNS = (
    "{{ cls_token }}{% for message in messages %}{{ message['role'] }}\n{{ message['content'] }}{{ sep_token }}"
    "{% endfor %}{% if add_generation_prompt %}assistant\n{% endif %}"
)

_Auto = type[AutoModel] | type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' own bars and notices off the terminal: the verbs draw their own progress."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar()


def check_model_folder(folder: Path) -> None:
    """Raise PluginError when `folder` lacks the config, the weights or the tokenizer of a transformers model."""
    if not folder.is_dir():
        raise PluginError(f"{folder}: no such model folder")
    if not (folder / CONFIG_FILE).is_file():
        raise PluginError(f"{folder}: no config.json, so this is not a transformers model folder")
    if not any(any(folder.glob(pattern)) for pattern in WEIGHT_FILES):
        raise PluginError(f"{folder}: no weights (*.safetensors); download the whole model folder")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise PluginError(f"{folder}: the model has no tokenizer; save it there with tokenizer.save_pretrained(folder)")


def read_config(folder: Path) -> PreTrainedConfig:
    """Return the config of a model folder; raises PluginError when there is none or transformers cannot read it."""
    check_model_folder(folder)
    try:
        with quiet_transformers():
            return cast(PreTrainedConfig, AutoConfig.from_pretrained(folder, local_files_only=True))
    except (OSError, ValueError, KeyError) as error:
        raise PluginError(f"{folder}: its config.json cannot be read ({error})") from error


def load_tokenizer(folder: Path, *, template: str | None = None) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model folder; it must have an end-of-turn token, and a chat template or be given one.

    An encoder's gets a plain one in place of none.
    """
    config = read_config(folder)
    try:
        with quiet_transformers():
            tokenizer = cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder, local_files_only=True))
    except (OSError, ValueError, KeyError) as error:
        raise PluginError(f"{folder}: its tokenizer cannot be loaded ({error})") from error
    if template is not None:
        tokenizer.chat_template = template
    if is_encoder(config):
        if tokenizer.chat_template is None and None in (tokenizer.cls_token, tokenizer.sep_token):
            raise PluginError(f"{folder}: the tokenizer has neither a chat template nor both cls_token and sep_token")
        tokenizer.chat_template = tokenizer.chat_template or _PLAIN_TURNS
        return tokenizer
    if tokenizer.chat_template is None:
        raise PluginError(f"{folder}: the tokenizer has no chat template; use an instruction-tuned model or add one")
    if tokenizer.eos_token_id is None:
        raise PluginError(f"{folder}: the tokenizer has no eos_token")
    return tokenizer


def load_policy(folder: Path, *, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """Return the causal language model in `folder`, in evaluation mode; PluginError where it is not supported."""
    model = _with_weights(folder, AutoModelForCausalLM, kind="as a causal language model", dtype=dtype)
    check_attention(model)
    return placed(model, device)


def load_backbone(folder: Path, *, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """Return the model in `folder` without any output layer, in evaluation mode: a decoder, or an encoder.

    Layers that transformers adds to an encoder and that are not saved start from the same noise at every load.
    PluginError where the model is not supported.
    """
    if is_encoder(read_config(folder)):
        return placed(without_output(_encoder(folder, dtype=dtype, is_whole=False)), device)
    model = _with_weights(folder, AutoModel, kind="as a backbone", dtype=dtype)
    check_attention(model)
    return placed(model, device)


def _encoder(folder: Path, *, dtype: torch.dtype, is_whole: bool) -> PreTrainedModel:
    def may_lack(name: str) -> bool:
        # the pooler of some lies within the model below
        return not is_whole and not _ENCODER_HEADS.isdisjoint(name.split(".")[:2])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_ENCODER_HEAD_SEED)
        return _with_weights(
            folder,
            AutoModelForSequenceClassification,
            kind="with a classification head",
            dtype=dtype,
            may_lack=may_lack,
        )


def load_classifier(folder: Path, *, num_outputs: int | None, dtype: torch.dtype) -> PreTrainedModel:
    """Return the model in `folder` with a linear head; `num_outputs` None keeps the saved head.

    That of a decoder has no bias. A new one starts at zero: the first predictions are then the same for all responses.
    Raises PluginError where the model is not supported.
    """
    if is_encoder(read_config(folder)):
        if num_outputs is not None:
            raise PluginError(f"{folder}: an encoder gets a new head by load_backbone")
        return _encoder(folder, dtype=dtype, is_whole=True)
    model = _with_weights(
        folder,
        AutoModelForSequenceClassification,
        kind="with a classification head",
        dtype=dtype,
        num_outputs=num_outputs,
        may_lack=lambda name: num_outputs is not None and name == _HEAD_WEIGHT,
    )
    head = getattr(model, "score", None)
    if not isinstance(head, torch.nn.Linear) or head.bias is not None:
        raise PluginError(
            f"{folder}: {type(model).__name__} has no linear 'score' head without bias; not supported yet"
        )
    check_attention(model)
    if num_outputs is not None:
        torch.nn.init.zeros_(head.weight)
    return model


def _with_weights(
    folder: Path,
    auto: _Auto,
    *,
    kind: str,
    dtype: torch.dtype,
    num_outputs: int | None = None,
    may_lack: Callable[[str], bool] = lambda name: False,
) -> PreTrainedModel:
    """Return the model in `folder` in evaluation mode; what `may_lack` names may be without saved weights."""
    check_model_folder(folder)
    settings = {} if num_outputs is None else {"num_labels": num_outputs}
    try:
        with quiet_transformers():
            # with output_loading_info it returns a pair, which its types do not say
            loaded = auto.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True, **settings
            )
            model, report = cast("tuple[PreTrainedModel, dict[str, list[str]]]", loaded)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise PluginError(f"{folder}: cannot be loaded {kind} ({error})") from error
    # transformers fills what is missing with noise and only logs it
    lacking = sorted(name for name in report["missing_keys"] if not may_lack(name))
    if lacking:
        raise PluginError(
            f"{folder}: its weights lack {lacking[0]} ({len(lacking)} in all), so it cannot be loaded {kind}"
        )
    return cast(PreTrainedModel, model.eval())


def write_tiny_model(out: Path, *, seed: int) -> None:
    """Write a 2-layer random Llama with a byte tokenizer: real in every respect but its size; for tests."""
    tokenizer = _byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(out)
        tokenizer.save_pretrained(out)


def _byte_tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|pad|>", extra_special_tokens=["<|im_start|>"]
    )
    tokenizer.chat_template = _CHATML
    return tokenizer
