r"""Read Nectar: a dialogue `\n\nHuman: ...\n\nAssistant: ` and seven responses to it, ranked by GPT-4, 1 the best."""

from collections.abc import Iterator

from steersman.records import Message, prompt_to_text
from steersman.sources.cells import number_at, objects_at, text_at
from steersman.sources.items import How, Item, LeftOut, SourceRow, row_by_row
from steersman.sources.ranking import Scored, ranked_pairs
from steersman.sources.turns import dialogue_messages, prompt_problem

NO_OPENING_TURN = "no_opening_turn"


def _ranking(row: SourceRow, how: How) -> Iterator[Item]:
    answers = objects_at(row.value, "answers")
    scored = [Scored(text_at(answer, "answer"), -number_at(answer, "rank", low=1)) for answer in answers]
    messages = dialogue_messages(text_at(row.value, "prompt"))
    if messages is None:
        yield LeftOut(NO_OPENING_TURN)
        return
    asked = _without_open_turn(messages)
    problem = prompt_problem(asked)
    if problem is not None:
        yield LeftOut(problem)
        return
    yield from ranked_pairs(prompt_to_text(asked), scored, choose=how.pairs)


def _without_open_turn(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return `messages` without a last turn of the assistant that nobody has filled."""
    last = messages[-1]
    return messages[:-1] if last.role == "assistant" and not last.content.strip() else messages


read_nectar = row_by_row(_ranking)
