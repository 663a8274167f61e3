"""Lengths of texts in tokens of a model whose tokenizer is on this machine; needs the extra `train`."""

from collections.abc import Sequence

from steersman.errors import PluginError
from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.loading import load_tokenizer
from steersman.pipeline.estimate_rows import Lengths
from steersman.pipeline.models import model_at_hand
from steersman.records import text_to_messages


def count_tokens(model: str, prompts: Sequence[str], responses: Sequence[tuple[str, ...]]) -> Lengths | None:
    """Return the tokens of each prompt and its responses as training packs them; None without the tokenizer."""
    try:
        folder = model_at_hand(model)
        tokenizer = None if folder is None else load_tokenizer(folder)
    except PluginError:
        return None
    if tokenizer is None:
        return None
    groups = (
        group_tokens(tokenizer, text_to_messages(prompt), texts)
        for prompt, texts in zip(prompts, responses, strict=True)
    )
    return [_lengths(group) for group in groups]


def _lengths(group: Group) -> tuple[int, Sequence[int]]:
    return len(group.prefix), [len(response.ids) for response in group.responses]
