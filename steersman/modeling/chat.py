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


@dataclass(frozen=True, slots=True)
class _Closing:
    """What a template adds after an answer: its text, its tokens, and the control token that ends the turn, if any."""

    text: str
    ids: tuple[int, ...]
    end: int | None


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
    it refuses the conversation or does not mark where an answer ends.
    """
    prefix, closing = render_prompt(tokenizer, messages), _closing(tokenizer)
    if not closing.text.strip():
        raise PluginError(
            "the chat template ends an answer without an end-of-turn token; this template is not supported"
        )
    full = [_answered(tokenizer, messages, response) for response in responses]
    for text, response in zip(full, responses, strict=True):
        _check_answer(tokenizer, text.removeprefix(prefix).removesuffix(closing.text), response)
    if all(text.startswith(prefix) for text in full):
        shared = [_response_tokens(tokenizer, text[len(prefix) :], closing=closing) for text in full]
        return Group(_encode(tokenizer, prefix), tuple(shared))
    pairs = zip(full, responses, strict=True)
    return Group((), tuple(_unshared(tokenizer, text, response, closing=closing) for text, response in pairs))


def _check_answer(tokenizer: PreTrainedTokenizerBase, text: str, response: str) -> None:
    # some templates trim an answer or set its parts in lines of their own: spaces say nothing
    if _without_spaces(without_forged_turns(tokenizer, response)) not in _without_spaces(text):
        raise DataError(
            f"{tokenizer.name_or_path}: the chat template leaves out or changes the answer {response[:40]!r};"
            " this template is not supported"
        )


def _without_spaces(text: str) -> str:
    return "".join(text.split())


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


def _unshared(tokenizer: PreTrainedTokenizerBase, full: str, response: str, *, closing: _Closing) -> ResponseTokens:
    place = _start_of_answer(full.removesuffix(closing.text), without_forged_turns(tokenizer, response))
    prompt = _encode(tokenizer, full[:place])
    own = _response_tokens(tokenizer, full[place:], closing=closing)
    return ResponseTokens(prompt + own.ids, len(prompt) + own.num_scored, len(prompt))


def _start_of_answer(text: str, answer: str) -> int:
    """Return where the answer that ends `text` begins; a template may have trimmed it."""
    for form in (answer, answer.lstrip(), answer.rstrip(), answer.strip()):
        if text.endswith(form):
            return len(text) - len(form)
    raise DataError(f"the chat template changes the answer {answer[:40]!r}; this template is not supported")


def _closing(tokenizer: PreTrainedTokenizerBase) -> _Closing:
    turns = [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}]
    text = _rendered(tokenizer, turns, add_generation_prompt=False).rpartition(_PROBE)[2]
    ids = _encode(tokenizer, text)
    control = {*_control_tokens(tokenizer), tokenizer.eos_token_id}
    return _Closing(text, ids, next((token for token in ids if token in control), None))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that the chat template closes an assistant's turn with; not always the tokenizer's eos.

    Raises PluginError when the template cannot be used or closes a turn without a control token.
    """
    end = _closing(tokenizer).end
    if end is None:
        raise PluginError("the chat template ends an answer without an end-of-turn token, so generation would not stop")
    return end


def closing_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return the tokens that the chat template adds after an answer, maybe none."""
    return _closing(tokenizer).ids


def _response_tokens(tokenizer: PreTrainedTokenizerBase, text: str, *, closing: _Closing) -> ResponseTokens:
    ids = _encode(tokenizer, text)
    reverse = ids[::-1]
    num_after = reverse.index(closing.end) if closing.end in reverse else 0
    return ResponseTokens(ids, len(ids) - num_after)
