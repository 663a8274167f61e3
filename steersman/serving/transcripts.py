"""Read a conversation back out of the text that a chat template made of it.

Trainers send what their policy saw and wrote, in the template of the policy; a reward model has a template of its
own. Three families are known: ChatML (Qwen, SmolLM), Llama 3 and Gemma. A text in none of them is taken as one user
turn, unless it begins with the mark of another template: such a text would be scored as if people had typed it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steersman.serving.rows import Rows, Turn, check_rows, rows_of_conversations


@dataclass(frozen=True, slots=True)
class _Template:
    """What stands before a turn, with its role as the one group, and what ends it."""

    start: re.Pattern[str]
    end: str


_TEMPLATES = (
    _Template(re.compile(r"<\|im_start\|>(\w+)\n"), "<|im_end|>"),
    _Template(re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n"), "<|eot_id|>"),
    _Template(re.compile(r"<start_of_turn>(\w+)\n"), "<end_of_turn>"),
)
_KNOWN = "ChatML, Llama 3 and Gemma"
_ROLES = {"model": "assistant"}
_TEXT_BEGINS = re.compile(r"<\|begin_of_text\|>|<\|endoftext\|>|<bos>|<s>")
# A template that none of the above is: Mistral, Phi, Zephyr, DeepSeek and so on.
_FOREIGN_MARK = re.compile(r"\s*(?:<s>|<bos>|<\|[^|\s]+\|>|<[\uff5c][^>\s]+>|\[INST\]|\[SYSTEM_PROMPT\])")
_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "<eos>", "</s>")


def rows_of_texts(given: str | Sequence[str]) -> Rows:
    """Return one row per text, of which the last turn is scored; raises DataError as `rows_of_conversations` does."""
    texts = [given] if isinstance(given, str) else given
    return check_rows(rows_of_conversations(texts, read=conversation_in, name="input"))


def turns_of(text: str) -> list[Turn] | None:
    """Return the turns of a text in a known template, None for plain text.

    A turn that the text leaves open, such as the one a policy is to write, is among them. Raises ValueError for a
    template that is not known.
    """
    for template in _TEMPLATES:
        starts = list(template.start.finditer(text))
        if starts and is_nothing_but_marks(text[: starts[0].start()]):
            return _cut(text, starts, end=template.end)
    if _FOREIGN_MARK.match(text):
        raise ValueError(
            f"the text begins with {text.split(maxsplit=1)[0][:40]!r}; the templates known here are {_KNOWN}"
        )
    return None


def _cut(text: str, starts: Sequence[re.Match[str]], *, end: str) -> list[Turn]:
    bounds = [*(start.start() for start in starts), len(text)]
    turns = []
    for start, bound in zip(starts, bounds[1:], strict=True):
        content, _, _ = text[start.end() : bound].partition(end)
        turns.append((_ROLES.get(start[1], start[1]), content))
    return turns


def conversation_in(text: str) -> list[Turn]:
    """Return the turns of a text in a known template, the last without the marks that end it; ValueError for others."""
    turns = turns_of(text)
    if turns is None:
        raise ValueError(f"prompt and response cannot be told apart; send a text in one of the templates {_KNOWN}")
    role, content = turns[-1]
    return [*turns[:-1], (role, _without_ends(content))]


def conversation_after(prompt: str, *, response: str) -> list[Turn]:
    """Return the turns of `prompt`, and `response` as the last one without the marks that end it.

    A policy may write the marks of another turn into its response: they stay part of it. Raises ValueError for a
    prompt in a template that is not known.
    """
    asked, written = turns_of(prompt), _without_ends(response)
    if asked is None:
        return [("user", prompt), ("assistant", written)]
    if asked[-1][0] != "assistant":
        return [*asked, ("assistant", _without_start(written))]
    # what the template itself wrote at the beginning of the response belongs to it
    return [*asked[:-1], ("assistant", asked[-1][1] + written)]


def is_nothing_but_marks(text: str) -> bool:
    """Return whether a text holds only the marks with which tokenizers begin."""
    return not _TEXT_BEGINS.sub("", text).strip()


def _without_start(response: str) -> str:
    starts = (template.start.match(response) for template in _TEMPLATES)
    return next((response[start.end() :] for start in starts if start), response)


def _without_ends(response: str) -> str:
    """Return a response without the marks at its end; in linear time, for a policy may write thousands of them."""
    kept = place = len(response)
    while True:
        while place and response[place - 1].isspace():
            place -= 1
        mark = next((each for each in _ENDS if response.endswith(each, 0, place)), None)
        if mark is None:
            return response[:kept]
        kept = place = place - len(mark)
