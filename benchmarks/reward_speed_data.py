"""Make what every row of the benchmark trains on: a model with a drawn head, and pairs as tokens."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from reward_speed_records import MODEL_FOLDER, conversations, write_pairs
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steersman.errors import DataError
from steersman.modeling.chat import Group, ResponseTokens, group_tokens
from steersman.modeling.layers import layers_of
from steersman.modeling.loading import load_classifier, load_tokenizer, quiet_transformers, write_tiny_model
from steersman.pipeline.examples import read_preferences
from steersman.pipeline.models import open_model
from steersman.records import Message, text_to_messages

# TRL 1.16 leaves out pairs of which either conversation is longer (RewardConfig.max_length); nothing is cut
MAX_TOKENS = 1024
TINY = "tiny-random"
EMBEDDED = "smollm2-135m-instruct"
# sizes of SmolLM2-135M, Qwen2.5-0.5B and Qwen2.5-1.5B: hidden, feed-forward, layers, heads, key heads, vocabulary
SHAPES = {
    "0.1b": (576, 1536, 30, 9, 3, 49152),
    "0.5b": (896, 4864, 24, 14, 2, 151936),
    "1.5b": (1536, 8960, 28, 12, 2, 151936),
}
# what TRL draws its head with (transformers' initializer_range)
_HEAD_DEVIATION = 0.02
# of HelpSteer2 in tokens: prompts have median 57 and mean 158, responses mean 380; both as log-normal lengths
_PROMPT_MEDIAN, _PROMPT_MEAN = 57, 158
_RESPONSE_MEDIAN, _RESPONSE_MEAN = 300, 380
# the tiny model's tokenizer: bytes, then end of turn, padding and start of turn
_BYTES, _CONTROL_TOKENS = 256, 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made, in words, and what a token of it costs.

    `products` are the multiplications that the matrices of all layers take for a token, `attention_width` all heads
    side by side; `hidden` and `feedforward` are the sizes of the matrices.
    """

    model: str
    pairs: str
    products: int
    layers: int
    attention_width: int
    hidden: int
    feedforward: int


def prepare(folder: Path, *, model: str, num_pairs: int, is_made: bool, seed: int) -> Prepared:
    """Put a model and `num_pairs` pairs into `folder`; made-up pairs need no data.

    `model` is 'tiny-random', an embedded model or one of SHAPES. Raises DataError when there are too few real pairs.
    """
    base = _base_folder(folder / "base", model=model, seed=seed)
    classifier = _random(SHAPES[model], seed=seed) if model in SHAPES else _with_drawn_head(base, seed=seed)
    tokenizer = load_tokenizer(base)
    classifier.config.pad_token_id = tokenizer.pad_token_id
    with quiet_transformers():
        classifier.save_pretrained(folder / MODEL_FOLDER)
        tokenizer.save_pretrained(folder / MODEL_FOLDER)
    rng = np.random.default_rng(seed)
    if is_made:
        longest = MAX_TOKENS // 8 if model == TINY else MAX_TOKENS
        groups = made_pairs(classifier.config.vocab_size, num_pairs, longest=longest, rng=rng)
        words = f"{num_pairs} pairs of random tokens with lengths like HelpSteer2's, at most {longest} a conversation"
    else:
        groups, words = real_pairs(tokenizer, num_pairs, rng=rng)
    write_pairs(folder, groups)
    return _prepared(classifier, model_name=model, pairs=words)


def _base_folder(folder: Path, *, model: str, seed: int) -> Path:
    # random shapes borrow the tiny model's tokenizer: TRL wants one, though the pairs are tokens already
    if model == TINY or model in SHAPES:
        write_tiny_model(folder, seed=seed)
        return folder
    return open_model(model, role="model of the benchmark").folder


def _with_drawn_head(base: Path, *, seed: int) -> PreTrainedModel:
    classifier = load_classifier(base, num_outputs=1, dtype=torch.float32)
    weight = cast(nn.Linear, classifier.score).weight
    with torch.no_grad():
        weight.normal_(0.0, _HEAD_DEVIATION, generator=torch.Generator().manual_seed(seed))
    return classifier


def _random(sizes: tuple[int, int, int, int, int, int], *, seed: int) -> PreTrainedModel:
    hidden, feedforward, layers, heads, key_heads, vocabulary = sizes
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=feedforward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        max_position_embeddings=2 * MAX_TOKENS,
    )
    config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForSequenceClassification(config)


def _prepared(model: PreTrainedModel, *, model_name: str, pairs: str) -> Prepared:
    config = model.config
    matrices = [each for each in layers_of(model).parameters() if each.ndim == 2]
    return Prepared(
        model=model_name,
        pairs=pairs,
        products=sum(each.numel() for each in matrices),
        layers=config.num_hidden_layers,
        attention_width=config.num_attention_heads
        * (config.head_dim or config.hidden_size // config.num_attention_heads),
        hidden=config.hidden_size,
        feedforward=config.intermediate_size,
    )


def made_pairs(vocabulary: int, count: int, *, longest: int, rng: np.random.Generator) -> list[Group]:
    """Return pairs of random tokens with lengths like HelpSteer2's, shrunk in proportion where `longest` is less.

    No token is one of the control tokens.
    """
    shrink = longest / MAX_TOKENS
    groups: list[Group] = []
    while len(groups) < count:
        prompt = _length(_PROMPT_MEDIAN, _PROMPT_MEAN, shrink=shrink, rng=rng)
        responses = [_length(_RESPONSE_MEDIAN, _RESPONSE_MEAN, shrink=shrink, rng=rng) for _ in range(2)]
        if prompt + max(responses) <= longest:
            prefix, *both = (_tokens(vocabulary, size, rng=rng) for size in (prompt, *responses))
            groups.append(Group(prefix, tuple(ResponseTokens(each, len(each)) for each in both)))
    return groups


def _length(median: float, mean: float, *, shrink: float, rng: np.random.Generator) -> int:
    # the logarithm of a log-normal length of median m and mean a deviates by sqrt(2 ln(a / m))
    drawn = rng.lognormal(math.log(median * shrink), math.sqrt(2 * math.log(mean / median)))
    return max(1, round(drawn))


def _tokens(vocabulary: int, count: int, *, rng: np.random.Generator) -> tuple[int, ...]:
    drawn = rng.integers(0, vocabulary - _CONTROL_TOKENS, size=count)
    return tuple((drawn + _CONTROL_TOKENS * (drawn >= _BYTES)).tolist())


def real_pairs(tokenizer: PreTrainedTokenizerBase, count: int, *, rng: np.random.Generator) -> tuple[list[Group], str]:
    """Return `count` of HelpSteer2's untied training pairs that TRL would keep, drawn by `rng`, and an account of them.

    The prompt and each response are tokenised apart, and every row gets these tokens; the account says how many
    conversations TRL, which tokenises them whole, would split otherwise.
    """
    folder = os.environ.get("STEERSMAN_DATA")
    if not folder:
        raise DataError("STEERSMAN_DATA is not set; let it name the folder that holds helpsteer2/, or use --small")
    found = read_preferences(Path(folder) / "helpsteer2" / "train.jsonl")
    kept: list[Group] = []
    num_long = num_other = 0
    for number in rng.permutation(len(found.prompts)).tolist():
        messages = text_to_messages(found.prompts[number])
        best_first = found.responses[number][:: -1 if found.chosen[number] else 1]
        group = group_tokens(tokenizer, messages, best_first)
        if group.longest > MAX_TOKENS:
            num_long += 1
            continue
        num_other += sum(
            _tokenised_whole(tokenizer, [*messages, Message("assistant", text)]) != ids
            for text, ids in zip(best_first, conversations(group), strict=True)
        )
        kept.append(group)
        if len(kept) == count:
            return kept, (
                f"{count} of HelpSteer2's untied training pairs, drawn at random; {num_long} drawn as well have a"
                f" conversation of more than {MAX_TOKENS} tokens, and TRL's default leaves such pairs out;"
                f" {num_other} of the {2 * count} conversations would be other tokens in TRL, which tokenises a"
                " conversation whole"
            )
    raise DataError(f"{folder}: only {len(kept)} pairs are untied and short enough, and {count} are needed")


def _tokenised_whole(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    turns = [{"role": each.role, "content": each.content} for each in messages]
    found = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)
    return list(cast("dict[str, list[int]]", found)["input_ids"])
