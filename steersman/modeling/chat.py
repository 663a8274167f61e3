"""Chat text to tokens: a prompt is a prefix, each response a suffix, and both are stable under joining.

Shapes: token ids are plain lists; the end of a response is its end-of-turn token, what the template adds after it
(often a newline) belongs to the read-out of a reward model but not to the response's log-probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from steersman.errors import DataError
from steersman.records import Message

_ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True, slots=True)
class ResponseTokens:
    """Tokens of one response; the first `num_scored` end with the end-of-turn token, the rest is template."""

    ids: tuple[int, ...]
    num_scored: int


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its responses as tokens: `[prefix | response_1 | ... | response_n]` (group packing)."""

    prefix: tuple[int, ...]
    responses: tuple[ResponseTokens, ...]

    @property
    def num_tokens(self) -> int:
        """Length of the packed sequence."""
        return len(self.prefix) + sum(len(response.ids) for response in self.responses)

    @property
    def longest(self) -> int:
        """Length of the prefix with its longest response: what one conversation takes."""
        return len(self.prefix) + max(len(response.ids) for response in self.responses)


def without_forged_turns(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return `text` with a zero-width space inside each of the tokenizer's special tokens.

    Written out in a message they would be read as the real thing, and a user could end the turn and begin another.
    """
    for token in sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[0]}{_ZERO_WIDTH_SPACE}{token[1:]}")
    return text


def _turns(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": without_forged_turns(tokenizer, each.content)} for each in messages]


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, system: str | None = None) -> str:
    """Return the text a model sees before it answers, by the tokenizer's chat template."""
    turns = _turns(tokenizer, messages)
    if system is not None:
        turns = [{"role": "system", "content": system}, *turns]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def group_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], responses: Sequence[str]) -> Group:
    """Return the tokens of a prompt and its responses.

    The prefix and each response are tokenised apart, as generation does, so that all responses share one prefix.
    Raises DataError when the template rewrites the prompt once it is answered (it is not prefix-stable).
    """
    prefix = render_prompt(tokenizer, messages)
    found = []
    for response in responses:
        answered = _turns(tokenizer, [*messages, Message("assistant", response)])
        full = str(tokenizer.apply_chat_template(answered, tokenize=False))
        if not full.startswith(prefix):
            raise DataError("the chat template changes the prompt once it is answered; this template is not supported")
        found.append(_response_tokens(tokenizer, full[len(prefix) :]))
    return Group(_encode(tokenizer, prefix), tuple(found))


def _response_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> ResponseTokens:
    ids = _encode(tokenizer, text)
    end = tokenizer.eos_token_id
    reverse = ids[::-1]
    num_after = reverse.index(end) if end in reverse else 0
    return ResponseTokens(ids, len(ids) - num_after)
