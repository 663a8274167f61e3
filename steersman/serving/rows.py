"""What a request asks to have scored: prompts with responses, in the form a scorer takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from steersman.errors import DataError, join_faults
from steersman.records import Message, prompt_to_text
from steersman.serving.faults import RequestTooLargeError

MAX_ROWS = 256
# Of one prompt with its response, whatever the model's context: its mask alone has the square of so many bytes.
MAX_TOKENS = 16_384
# A longer row has more tokens than that in any language; it is refused before it is tokenised.
MAX_ROW_CHARACTERS = 16 * MAX_TOKENS

# A turn as it came: the role is any word, the content is verbatim.
Turn = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows:
    """Prompts in HelpSteer2's text form and the response to each, in order.

    `ignored_system_turns` counts the system turns that the prompts came with and that are not scored.
    """

    prompts: tuple[str, ...]
    responses: tuple[str, ...]
    ignored_system_turns: int = 0

    @property
    def num_characters(self) -> int:
        """Characters of all texts."""
        return sum(map(len, self.prompts)) + sum(map(len, self.responses))


def check_rows(rows: Rows) -> Rows:
    """Return `rows`; raises RequestTooLargeError for too many of them or for too long ones, DataError for none."""
    if not rows.prompts:
        raise DataError("there is nothing to score; send at least one row")
    if len(rows.prompts) > MAX_ROWS:
        raise RequestTooLargeError(f"one request may hold {MAX_ROWS} rows, got {len(rows.prompts)}; send them in parts")
    lengths = [len(prompt) + len(response) for prompt, response in zip(rows.prompts, rows.responses, strict=True)]
    faults = [f"rows.{row} has {length}" for row, length in enumerate(lengths) if length > MAX_ROW_CHARACTERS]
    if faults:
        raise RequestTooLargeError(f"a row may have {MAX_ROW_CHARACTERS} characters; {join_faults(faults)}")
    return rows


def rows_of_conversations(items: Iterable[T], *, read: Callable[[T], Sequence[Turn]], name: str) -> Rows:
    """Return one row per conversation that `read` finds: the last turn is the response, those before are the prompt.

    System turns are left out and counted: the text form of a prompt has no place for them. Raises DataError that
    names every item, as `name.0` and so on, whose turns do not alternate from user to assistant, or of which `read`
    raises ValueError.
    """
    prompts, responses, num_system, faults = [], [], 0, []
    for number, item in enumerate(items):
        try:
            turns = read(item)
            spoken = [turn for turn in turns if turn[0] != "system"]
            num_system += len(turns) - len(spoken)
            prompts.append(_prompt_text(spoken))
            responses.append(spoken[-1][1])
        except ValueError as error:
            faults.append(f"{name}.{number}: {error}")
    if faults:
        raise DataError(join_faults(faults))
    return Rows(tuple(prompts), tuple(responses), num_system)


def _prompt_text(turns: Sequence[Turn]) -> str:
    if not turns or turns[-1][0] != "assistant":
        raise ValueError(f"the last turn must be the assistant's, it is scored; got {[role for role, _ in turns]}")
    messages = []
    for role, content in turns[:-1]:
        if role not in ("user", "assistant"):
            raise ValueError(f"a prompt has turns of user and assistant, got {role!r}")
        messages.append(Message("user" if role == "user" else "assistant", content))
    return prompt_to_text(messages)
