"""Chat text to tokens: a prompt is a prefix, each response a suffix, and both are stable under joining.

Shapes: token ids are plain lists; the end of a response is its end-of-turn token, what the template adds after it
(often a newline) belongs to the read-out of a reward model but not to the response's log-probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from steersman.errors import DataError, PluginError
from steersman.records import Message

_ZERO_WIDTH_SPACE = "\u200b"
_PROBE = "Steersman"
_MARKS = ("[Response A]", "[Response B]")


@dataclass(frozen=True, slots=True)
class ResponseTokens:
    """Tokens of one response; the first `num_scored` end with the end-of-turn token, the rest is template.

    The first `num_prompt` are the prompt, where a template writes it otherwise once it is answered: such a response
    shares no prefix.
    """

    ids: tuple[int, ...]
    num_scored: int
    num_prompt: int = 0


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


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    # added tokens are not all control tokens: some tokenizers add runs of spaces
    template = str(tokenizer.chat_template)
    added = tokenizer.added_tokens_decoder.items()
    return {
        number: token.content
        for number, token in added
        if token.content.strip() and (token.special or token.content in template)
    }


def without_forged_turns(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return `text` with a zero-width space inside each of the tokenizer's control tokens.

    Written out in a message they would be read as the real thing, and a user could end the turn and begin another.
    """
    control = {*tokenizer.all_special_tokens, *_control_tokens(tokenizer).values()}
    for token in sorted(control, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[0]}{_ZERO_WIDTH_SPACE}{token[1:]}")
    return text


def _turns(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": without_forged_turns(tokenizer, each.content)} for each in messages]


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, system: str | None = None) -> str:
    """Return the text a model sees before it answers, by the tokenizer's chat template.

    Raises PluginError when the template is faulty or refuses the conversation, as some do with a system message.
    """
    turns = _turns(tokenizer, messages)
    if system is not None:
        turns = [{"role": "system", "content": system}, *turns]
    return _rendered(tokenizer, turns, add_generation_prompt=True)


def _rendered(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt))
    except TemplateError as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise PluginError(
            f"{tokenizer.name_or_path}: its chat template cannot write the turns {roles} ({error}); "
            "change the conversation or the system message, or choose another model"
        ) from error


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def group_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], responses: Sequence[str]) -> Group:
    """Return the tokens of a prompt and its responses.

    The prefix and each response are tokenised apart, as generation does, so that all responses share one prefix. Where
    the template rewrites the prompt once it is answered (it is not prefix-stable), the prefix is empty and each
    response brings its own prompt. Raises DataError when the template leaves out or changes an answer, PluginError when
    it refuses the conversation or closes a turn without a token of its own.
    """
    prefix, end = render_prompt(tokenizer, messages), end_of_turn(tokenizer)
    full = [_answered(tokenizer, messages, response) for response in responses]
    if all(text.startswith(prefix) for text in full):
        shared = [_response_tokens(tokenizer, text[len(prefix) :], end=end) for text in full]
        return Group(_encode(tokenizer, prefix), tuple(shared))
    pairs = zip(full, responses, strict=True)
    return Group((), tuple(_unshared(tokenizer, text, response, end=end) for text, response in pairs))


def comparison_group(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], responses: Sequence[str]
) -> Group:
    """Return a prompt with both of two responses in one text, in both orders: the first "response" has them as given.

    What is read at the end of each is about the response that comes first in it, in the light of the other. Raises
    ValueError for other than two responses, and as `group_tokens` does.
    """
    first, second = responses
    return group_tokens(tokenizer, messages, [_compared(first, second), _compared(second, first)])


def _compared(first: str, second: str) -> str:
    marked = zip(_MARKS, (first, second), strict=True)
    return "\n\n".join(f"{mark}\n{_without_marks(text)}" for mark, text in marked)


def _without_marks(text: str) -> str:
    """Return `text` with a zero-width space in each mark, which written out in a response would begin the other one."""
    for mark in _MARKS:
        text = text.replace(mark, f"{mark[0]}{_ZERO_WIDTH_SPACE}{mark[1:]}")
    return text


def _answered(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], response: str) -> str:
    turns = _turns(tokenizer, [*messages, Message("assistant", response)])
    return _rendered(tokenizer, turns, add_generation_prompt=False)


def _unshared(tokenizer: PreTrainedTokenizerBase, full: str, response: str, *, end: int) -> ResponseTokens:
    answer = without_forged_turns(tokenizer, response).strip()  # templates strip too
    place = full.rfind(answer)
    if place < 0:
        raise DataError(
            f"{tokenizer.name_or_path}: the chat template leaves out or changes the answer {answer[:40]!r};"
            " this template is not supported"
        )
    prompt = _encode(tokenizer, full[:place])
    own = _response_tokens(tokenizer, full[place:], end=end)
    return ResponseTokens(prompt + own.ids, len(prompt) + own.num_scored, len(prompt))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that the chat template closes an assistant's turn with; not always the tokenizer's eos.

    Raises PluginError when the template cannot be used or closes a turn without a control token.
    """
    turns = [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}]
    text = _rendered(tokenizer, turns, add_generation_prompt=False)
    control = {*_control_tokens(tokenizer), tokenizer.eos_token_id}
    after = _encode(tokenizer, text.rpartition(_PROBE)[2])
    found = next((token for token in after if token in control), None)
    if found is None:
        raise PluginError(
            "the chat template ends an answer without an end-of-turn token; this template is not supported"
        )
    return found


def _response_tokens(tokenizer: PreTrainedTokenizerBase, text: str, *, end: int) -> ResponseTokens:
    ids = _encode(tokenizer, text)
    reverse = ids[::-1]
    num_after = reverse.index(end) if end in reverse else 0
    return ResponseTokens(ids, len(ids) - num_after)
