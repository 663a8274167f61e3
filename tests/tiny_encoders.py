"""Tiny random encoders, saved as their authors release them: for masked words, with a tokenizer that knows no turns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from steersman.modeling.loading import quiet_transformers

CONTEXT_TOKENS = 512


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes, with the special tokens of BERT and without a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={character: index for index, character in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        unk_token="[UNK]",
    )


def _shape(tokenizer: PreTrainedTokenizerFast, *, positions: int = CONTEXT_TOKENS) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": positions,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _modernbert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    ends = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    ends |= {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    return ModernBertForMaskedLM(ModernBertConfig(**_shape(tokenizer), **ends))


def _roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    # its positions begin after the number of the padding token
    positions = CONTEXT_TOKENS + int(str(tokenizer.pad_token_id)) + 1
    return RobertaForMaskedLM(RobertaConfig(**_shape(tokenizer, positions=positions)))


ENCODERS: dict[str, Callable[[PreTrainedTokenizerFast], PreTrainedModel]] = {
    "bert": lambda tokenizer: BertForMaskedLM(BertConfig(**_shape(tokenizer))),
    "roberta": _roberta,
    "modernbert": _modernbert,
    "deberta": lambda tokenizer: DebertaV2ForMaskedLM(DebertaV2Config(**_shape(tokenizer))),
}


def write_encoder(folder: Path, *, name: str) -> Path:
    """Write an encoder to `folder`, which is returned; its weights are large enough for its states to matter."""
    tokenizer = byte_tokenizer()
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(0)
        model = ENCODERS[name](tokenizer)
        with torch.no_grad():
            for weights in model.parameters():
                if weights.ndim == 2:
                    weights.mul_(5)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
