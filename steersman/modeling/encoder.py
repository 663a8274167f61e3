"""Encoders as backbones (BERT, RoBERTa, ModernBERT, DeBERTa): every response is a sequence of its own, with its prompt.

What is read of a response is what transformers' own classification model reads: the input of its last linear layer,
after its pooling and its dense layers. That linear layer is the head, so the model goes back into transformers whole.
An encoder sees the whole text at once, so responses cannot share the states of their prompt.
Shapes: N responses of a row, T tokens, D hidden size, O outputs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from steersman.errors import PluginError
from steersman.modeling.packing import Packed

# Of several padded sequences at once; a longer one runs alone.
_MOST_TOKENS = 8_192
_COUNTING_FROM_PADDING = ("roberta", "camembert", "data2vec-text", "xmod", "mpnet", "longformer")


def is_encoder(config: PreTrainedConfig) -> bool:
    """Whether a model of this config reads a text in both directions: the one place where that is decided."""
    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder


def output_layer(model: PreTrainedModel) -> nn.Linear:
    """Return the last linear layer of an encoder's classification model; raises PluginError when it has none."""
    parent, name = _output_place(model)
    return cast(nn.Linear, getattr(parent, name))


def without_output(model: PreTrainedModel) -> PreTrainedModel:
    """Return `model`, in place, without its last linear layer: its logits are then what that layer reads, (B, D).

    Raises PluginError when it has no such layer or that reads something else than D numbers.
    """
    parent, name = _output_place(model)
    width = cast(nn.Linear, getattr(parent, name)).in_features
    if width != model.config.hidden_size:
        raise PluginError(f"{type(model).__name__} reads its outputs from {width} numbers, which is not supported")
    setattr(parent, name, nn.Identity())
    return model


@contextmanager
def with_output(model: PreTrainedModel, output: nn.Linear) -> Iterator[PreTrainedModel]:
    """Put `output` into a model that `without_output` gave, for as long as the context lasts."""
    parent, name = _output_place(model)
    setattr(parent, name, output)
    try:
        yield model
    finally:
        setattr(parent, name, nn.Identity())


def _output_place(model: PreTrainedModel) -> tuple[nn.Module, str]:
    head = getattr(model, "classifier", None)
    for parent, name in ((model, "classifier"), (head, "out_proj")):
        if isinstance(parent, nn.Module) and isinstance(getattr(parent, name, None), nn.Linear | nn.Identity):
            return parent, name
    raise PluginError(f"{type(model).__name__} has no linear layer 'classifier' at its end; use another encoder")


def pooled_states(model: PreTrainedModel, packed: Packed) -> torch.Tensor:
    """Return what the head reads of each response of a packed row, (N, D) float32, in order.

    `model` comes from `without_output`. Sequences of similar length are padded together. Raises PluginError for a
    conversation longer than the model has positions for.
    """
    sequences = _unpacked(packed)
    check_lengths(model, [len(each) for each in sequences])
    batches = _of_similar_length([len(each) for each in sequences])
    found_ND = torch.cat([_pooled(model, [sequences[number] for number in batch]) for batch in batches])
    order = torch.tensor([number for batch in batches for number in batch], device=found_ND.device)
    return found_ND[order.argsort()]


def _unpacked(packed: Packed) -> list[torch.Tensor]:
    ids_T = packed.ids[0]
    return [
        torch.cat([ids_T[span.start : span.prefix_end], ids_T[start:end]])
        for span in packed.spans
        for start, end in zip(span.starts, span.ends, strict=True)
    ]


def _of_similar_length(lengths: Sequence[int]) -> list[list[int]]:
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        # the first of a batch is its longest, to which all are padded
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= _MOST_TOKENS:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def _pooled(model: PreTrainedModel, sequences: Sequence[torch.Tensor]) -> torch.Tensor:
    # some encoders number positions by which tokens are padding
    padding = model.config.pad_token_id or 0
    ids_BT = pad_sequence(list(sequences), batch_first=True, padding_value=padding)
    lengths_B = torch.tensor([len(each) for each in sequences], device=ids_BT.device)
    mask_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device) < lengths_B[:, None]
    logits_BD: torch.Tensor = model(input_ids=ids_BT, attention_mask=mask_BT.long()).logits
    return logits_BD.float()


def context_tokens(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a model of this config was made to read, None where it does not say."""
    text = config.get_text_config()
    length = getattr(text, "max_position_embeddings", None)
    if not isinstance(length, int) or length <= 0:
        return None
    # RoBERTa and its kin count positions from the padding token's number on
    counts_from_padding = any(name in config.model_type for name in _COUNTING_FROM_PADDING)
    return length - (config.pad_token_id or 0) - 1 if counts_from_padding else length


def check_lengths(model: PreTrainedModel, lengths: Sequence[int]) -> None:
    """Raise PluginError when a conversation is longer than an encoder has positions for; a decoder reads any."""
    limit = context_tokens(model.config) if is_encoder(model.config) else None
    if limit is not None and max(lengths, default=0) > limit:
        raise PluginError(
            f"a conversation has {max(lengths)} tokens, and {type(model).__name__} reads at most {limit};"
            f" leave longer ones out, in training by reward.max_tokens: {limit}"
        )
