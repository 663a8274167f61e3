"""Tiny random decoders with sliding windows, of the families whose layers have them in different ways."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    MistralConfig,
    MistralForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from steersman.modeling.loading import quiet_transformers

WINDOW = 8
NUM_LAYERS = 4
VOCABULARY = 300
# the lowest two with windows, then one that sees everything, then one with a window again
KINDS = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": WINDOW,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
WINDOWED: dict[str, Callable[..., PreTrainedModel]] = {
    "gemma3": lambda **other: Gemma3ForCausalLM(
        Gemma3TextConfig(**SHAPE | {"layer_types": KINDS} | other, head_dim=16, query_pre_attn_scalar=16)
    ),
    "mistral": lambda **other: MistralForCausalLM(MistralConfig(**SHAPE | other)),
    "qwen2": lambda **other: Qwen2ForCausalLM(
        Qwen2Config(**SHAPE | {"layer_types": KINDS} | other, use_sliding_window=True)
    ),
    "qwen3": lambda **other: Qwen3ForCausalLM(
        Qwen3Config(**SHAPE | {"layer_types": KINDS} | other, head_dim=16, use_sliding_window=True)
    ),
    # layers that are run by transformers' own functions: all with windows, and of several kinds
    "phi3": lambda **other: Phi3ForCausalLM(Phi3Config(**SHAPE | other)),
    "olmo3": lambda **other: Olmo3ForCausalLM(Olmo3Config(**SHAPE | {"layer_types": KINDS} | other)),
}


def windowed(name: str, **other: object) -> PreTrainedModel:
    """Return such a model whose states depend on all they have read; `other` are keys of its config."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WINDOWED[name](**other)
        for weights in model.parameters():
            if weights.ndim == 2:
                nn.init.normal_(weights, std=0.2)
            else:
                nn.init.uniform_(weights, 0.5, 1.5)
    model.eval()
    return model


def write_windowed(folder: Path, *, name: str, tokenizer_of: Path) -> Path:
    """Write such a model to `folder`, which is returned, with the tokenizer of another folder."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    with quiet_transformers():
        windowed(name, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
