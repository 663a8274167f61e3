"""Daring Anteater's conversations keep their system prompt and the part of the blend they come from."""

import pytest
from reading import Row, read

from steersman.sources.readers.daring_anteater import read_daring_anteater


def row(*sides: str, system: str = "", dataset: str = "synthetic_conv", mask: str = "User") -> Row:
    turns = [{"from": side, "value": f"{side} {place}", "label": None} for place, side in enumerate(sides)]
    return {"system": system, "mask": mask, "dataset": dataset, "conversations": turns}


def test_a_conversation_is_messages_with_its_source_and_licence() -> None:
    found = read(read_daring_anteater, [row("User", "Assistant")])
    assert found.rows["conversations"] == [
        {
            "messages": [{"role": "user", "content": "User 0"}, {"role": "assistant", "content": "Assistant 1"}],
            "source": "synthetic_conv",
            "licence": "CC-BY-4.0",
        }
    ]


def test_a_system_prompt_is_the_first_message_and_an_empty_one_is_none() -> None:
    found = read(
        read_daring_anteater, [row("User", "Assistant", system="Be brief."), row("User", "Assistant", system=" ")]
    )
    first, second = (each["messages"] for each in found.rows["conversations"])
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0] == {"role": "system", "content": "Be brief."}
    assert len(second) == 2


def test_a_part_that_the_card_does_not_name_has_no_known_licence() -> None:
    found = read(read_daring_anteater, [row("User", "Assistant", dataset="something_new")])
    assert found.rows["conversations"][0]["licence"] is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (row(), "no_turns"),
        (row("User"), "ends_with_user"),
        (row("Assistant"), "starts_with_assistant"),
        (row("User", "User", "Assistant"), "same_role_twice"),
        (row("User", "Assistant", mask="Assistant"), "other_mask"),
    ],
)
def test_what_an_assistant_cannot_be_taught_from_is_left_out(given: Row, reason: str) -> None:
    found = read(read_daring_anteater, [given])
    assert (found.left_out, found.rows) == ({reason: 1}, {})


def test_an_unknown_side_is_a_fault() -> None:
    found = read(read_daring_anteater, [row("User", "Tool")])
    assert found.faults == [("file:1", "'from' must be one of User, Assistant, got 'Tool'")]
