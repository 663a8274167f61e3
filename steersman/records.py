"""The single things of the domain as frozen records, the five attributes and their scale."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]

ATTRIBUTES: tuple[str, ...] = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
MIN_SCORE = 0
MAX_SCORE = 4
NUM_LEVELS = MAX_SCORE - MIN_SCORE + 1

# HelpSteer2 paper, section 4.3: the scalar used to rank responses for alignment.
GOODNESS_WEIGHTS: dict[str, float] = {"helpfulness": 0.65, "correctness": 0.8, "coherence": 0.45}

TURN_MARKER = "<extra_id_1>"
_TURN_ORDER: tuple[Role, ...] = ("user", "assistant")
_TURN_TAG = re.compile(rf"\n{TURN_MARKER}(User|Assistant)\n")
# A user's own text that holds the marker would forge a turn. One backslash is added in front of the marker's
# name at the door and taken away on the way out; a marker that already has backslashes gains one more.
_ANY_MARKER = re.compile(r"<(\\*)extra_id_1>")
_ESCAPED_MARKER = re.compile(r"<\\(\\*)extra_id_1>")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with a user turn and waits for a response."""

    prompt_id: str
    messages: tuple[Message, ...]
    source: str
    licence: str | None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer to a prompt."""

    prompt_id: str
    response_id: str
    response: str
    generator: str


@dataclass(frozen=True, slots=True)
class Rating:
    """One annotator's view of one response; an unrated attribute is None."""

    task_id: str
    response_id: str
    annotator: str
    scores: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt, the better first; `margin` is above zero."""

    prompt: str
    chosen: str
    rejected: str
    margin: float


@dataclass(frozen=True, slots=True)
class Judgment:
    """A judge's verdict on one pair: positive favours the first response, None means unjudged."""

    first: str
    second: str
    preference: float | None
    reason: str | None = None


def escape_marker(text: str) -> str:
    """Return `text` so that a turn marker inside it cannot forge a turn; `unescape_marker` undoes it."""
    return _ANY_MARKER.sub(r"<\\\1extra_id_1>", text)


def unescape_marker(text: str) -> str:
    """Undo `escape_marker` exactly."""
    return _ESCAPED_MARKER.sub(r"<\1extra_id_1>", text)


def prompt_to_text(messages: Sequence[Message]) -> str:
    r"""Return a conversation in HelpSteer2's text form: `user\n<extra_id_1>Assistant\nreply\n<extra_id_1>User\n...`.

    The first turn has no tag. Raises ValueError for no messages, a system turn, or turns that do not alternate
    from user to user: the text form cannot hold them.
    """
    roles = [message.role for message in messages]
    if not roles or roles != [_TURN_ORDER[i % 2] for i in range(len(roles))] or roles[-1] != "user":
        raise ValueError(f"a prompt alternates user and assistant, from user to user; got {roles}")
    turns = [escape_marker(message.content) for message in messages]
    tags = [f"\n{TURN_MARKER}{role.capitalize()}\n" for role in roles]
    return turns[0] + "".join(tag + turn for tag, turn in zip(tags[1:], turns[1:], strict=True))


def text_to_messages(text: str) -> tuple[Message, ...]:
    """Return the turns of a prompt in HelpSteer2's text form; the inverse of `prompt_to_text`."""
    first, *rest = _TURN_TAG.split(text)
    turns: list[tuple[Role, str]] = [("user", first)]
    for name, content in zip(rest[0::2], rest[1::2], strict=True):
        turns.append(("user" if name == "User" else "assistant", content))
    return tuple(Message(role, unescape_marker(content)) for role, content in turns)


def joined_parts(parts: Sequence[object]) -> str:
    """Return the text of a turn whose content is a list of parts, as in OpenAI's API: the texts of its parts as one.

    Raises ValueError for no parts, and names the first part that is not `{"type": "text", "text": ...}`.
    """
    if not parts:
        raise ValueError("the content has no parts; give it one of type 'text', or a text")
    return "".join(_part_text(part, number=number) for number, part in enumerate(parts))


def _part_text(part: object, *, number: int) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind != "text":
        raise ValueError(f"part {number} of the content is of type {kind!r}; only parts of type 'text' can be read")
    text = part.get("text") if isinstance(part, Mapping) else None
    if not isinstance(text, str):
        raise ValueError(f"part {number} of the content is of type 'text' and has no text")
    return text
