"""Read Daring Anteater: conversations to learn the assistant's turns from, each with its part of the blend."""

from collections.abc import Iterator, Mapping

from steersman.records import Message, Role
from steersman.sources.cells import objects_at, optional_text_at, text_at
from steersman.sources.items import How, Item, LeftOut, SourceRow, TableRow, row_by_row
from steersman.sources.turns import ENDS_WITH_USER, messages_of, order_problem

OTHER_MASK = "other_mask"
_ROLES: Mapping[str, Role] = {"User": "user", "Assistant": "assistant"}
# The card's table of the blend. Its own words stand for the parts of Open-Platypus, whose rows it does not tell apart.
LICENCES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "synthetic_conv",
            "synthetic_roleplay",
            "synthetic_math",
            "synthetic_precise_instruction_following",
            "synthetic_json_format_following",
            "synthetic_complex_instruction",
            "FinQA",
            "wikitablequestions",
        ),
        "CC-BY-4.0",
    ),
    "open_platypus_commercial": "CC-BY-4.0/Apache-2.0/MIT",
}


def _conversation(row: SourceRow, how: How) -> Iterator[Item]:
    turns = messages_of(objects_at(row.value, "conversations"), role="from", content="value", roles=_ROLES)
    part = text_at(row.value, "dataset")
    system = optional_text_at(row.value, "system")
    problem = _problem(turns, mask=text_at(row.value, "mask"))
    if problem is not None:
        yield LeftOut(problem)
        return
    messages = (Message("system", system), *turns) if system and system.strip() else turns
    said = [{"role": message.role, "content": message.content} for message in messages]
    yield TableRow("conversations", {"messages": said, "source": part, "licence": LICENCES.get(part)})


def _problem(turns: tuple[Message, ...], *, mask: str) -> str | None:
    # the mask names the side that is not learnt from
    if mask != "User":
        return OTHER_MASK
    return order_problem(turns) or (ENDS_WITH_USER if turns[-1].role == "user" else None)


read_daring_anteater = row_by_row(_conversation)
