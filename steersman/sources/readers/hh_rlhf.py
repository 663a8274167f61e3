r"""Read HH-RLHF: two dialogues `\n\nHuman: ...\n\nAssistant: ...` that differ in the last turn; one was chosen."""

from collections.abc import Iterator

from steersman.records import Message, prompt_to_text
from steersman.sources.cells import text_at
from steersman.sources.items import How, Item, LeftOut, SourceRow, row_by_row
from steersman.sources.ranking import SAME_RESPONSE, pair
from steersman.sources.turns import ENDS_WITH_USER, dialogue_messages, order_problem

NO_OPENING_TURN = "no_opening_turn"
PROMPTS_DIFFER = "prompts_differ"
# The data says which response was preferred, not by how much.
_MARGIN = 1.0


def _pair(row: SourceRow, how: How) -> Iterator[Item]:
    chosen, rejected = (dialogue_messages(text_at(row.value, name)) for name in ("chosen", "rejected"))
    if chosen is None or rejected is None:
        yield LeftOut(NO_OPENING_TURN)
        return
    problem = _problem(chosen) or _problem(rejected)
    if problem is None and chosen[:-1] != rejected[:-1]:
        problem = PROMPTS_DIFFER
    if problem is None and chosen[-1] == rejected[-1]:
        problem = SAME_RESPONSE
    if problem is not None:
        yield LeftOut(problem)
        return
    prompt = prompt_to_text(chosen[:-1])
    yield pair(prompt, chosen=chosen[-1].content, rejected=rejected[-1].content, margin=_MARGIN)


def _problem(messages: tuple[Message, ...]) -> str | None:
    return order_problem(messages) or (ENDS_WITH_USER if messages[-1].role == "user" else None)


read_hh_rlhf = row_by_row(_pair)
