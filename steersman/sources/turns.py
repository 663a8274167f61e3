r"""Turn conversations as others write them into messages, and messages into HelpSteer2's text form of a prompt.

What the text form cannot hold is named by a reason, never merged or cut: a system turn, two turns of one side in a row,
a conversation that does not go from user to user. Markers inside a text are escaped by `prompt_to_text`.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from steersman.records import Message, Role, prompt_to_text
from steersman.sources.cells import Row, text_at
from steersman.sources.items import ShapeError

NO_TURNS = "no_turns"
SYSTEM_TURN = "system_turn"
STARTS_WITH_ASSISTANT = "starts_with_assistant"
SAME_ROLE_TWICE = "same_role_twice"
ENDS_WITH_ASSISTANT = "ends_with_assistant"
ENDS_WITH_USER = "ends_with_user"

# HH-RLHF and Nectar: a turn begins after an empty line, with its side and a colon; one space more belongs to that.
_DIALOGUE_TURN = re.compile(r"\n\n(Human|Assistant):[ ]?")
_DIALOGUE_ROLES: Mapping[str, Role] = {"Human": "user", "Assistant": "assistant"}


def messages_of(turns: Iterable[Row], *, role: str, content: str, roles: Mapping[str, Role]) -> tuple[Message, ...]:
    """Return `turns` as messages; `role` and `content` are their keys, `roles` our names of the sides.

    Raises ShapeError for a side that is not in `roles`.
    """
    found = []
    for turn in turns:
        side = text_at(turn, role)
        if side not in roles:
            raise ShapeError(f"'{role}' must be one of {', '.join(roles)}, got {side[:40]!r}")
        found.append(Message(roles[side], text_at(turn, content)))
    return tuple(found)


def dialogue_messages(dialogue: str) -> tuple[Message, ...] | None:
    r"""Return the turns of a text `\n\nHuman: ...\n\nAssistant: ...`, None when it begins otherwise.

    A text that itself holds such a line cannot be told from a turn.
    """
    before, *rest = _DIALOGUE_TURN.split(dialogue)
    if before or not rest:
        return None
    pairs = zip(rest[0::2], rest[1::2], strict=True)
    return tuple(Message(_DIALOGUE_ROLES[side], content) for side, content in pairs)


def prompt_problem(messages: tuple[Message, ...]) -> str | None:
    """Return why `messages` are no prompt in the text form, None when they are one."""
    problem = order_problem(messages)
    if problem is not None:
        return problem
    return ENDS_WITH_ASSISTANT if messages[-1].role == "assistant" else None


def order_problem(messages: tuple[Message, ...]) -> str | None:
    """Return why `messages` do not alternate between user and assistant, from the user on; None when they do."""
    roles = [message.role for message in messages]
    if not roles:
        return NO_TURNS
    if "system" in roles:
        return SYSTEM_TURN
    if roles[0] == "assistant":
        return STARTS_WITH_ASSISTANT
    return SAME_ROLE_TWICE if any(first == second for first, second in pairwise(roles)) else None


def one_turn_prompt(content: str) -> str:
    """Return the prompt of a conversation with one user turn."""
    return prompt_to_text([Message("user", content)])
