"""HelpSteer3's preferences, in the shape of its card."""

import pytest
from reading import Row, read

from steersman.sources.readers.helpsteer3 import read_helpsteer3


def turn(role: str, content: str) -> Row:
    return {"role": role, "content": content}


def row(overall: int, *turns: Row, scores: tuple[int, ...] = (-1, -2)) -> Row:
    return {
        "domain": "general",
        "language": "english",
        "context": list(turns) or [turn("user", "hello")],
        "response1": "one",
        "response2": "two",
        "overall_preference": overall,
        "individual_preference": [{"score": score, "reasoning": f"because {score}"} for score in scores],
    }


def test_a_conversation_becomes_a_prompt_in_the_text_form() -> None:
    said = [turn("user", "a"), turn("assistant", "b"), turn("user", "c")]
    found = read(read_helpsteer3, [row(3, *said)])
    assert found.rows["pairs"] == [
        {
            "prompt": "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc",
            "chosen": "two",
            "rejected": "one",
            "margin": 3,
        }
    ]


@pytest.mark.parametrize(("overall", "chosen"), [(-3, "one"), (-1, "one"), (1, "two"), (3, "two")])
def test_the_sign_says_which_response_is_chosen_and_the_size_is_the_margin(overall: int, chosen: str) -> None:
    pair = read(read_helpsteer3, [row(overall)]).rows["pairs"][0]
    assert (pair["chosen"], pair["margin"]) == (chosen, abs(overall))


def test_about_the_same_is_a_tie_whose_single_preferences_are_kept() -> None:
    found = read(read_helpsteer3, [row(0, scores=(-1, 0, 1))])
    assert (found.ties, found.rows.get("pairs")) == (1, None)
    assert [each["strength"] for each in found.rows["preference_ratings"]] == [-1, 0, 1]


def test_single_preferences_keep_their_reasoning_and_their_place() -> None:
    ratings = read(read_helpsteer3, [row(-2)]).rows["preference_ratings"]
    assert [(each["annotator"], each["justification"]) for each in ratings] == [
        ("place-0000", "because -1"),
        ("place-0001", "because -2"),
    ]


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        (["system", "user"], "system_turn"),
        (["user", "user"], "same_role_twice"),
        (["assistant", "user"], "starts_with_assistant"),
        (["user", "assistant"], "ends_with_assistant"),
    ],
)
def test_a_conversation_the_text_form_cannot_hold_is_left_out_as_a_whole(roles: list[str], reason: str) -> None:
    found = read(read_helpsteer3, [row(1, *(turn(role, "x") for role in roles))])
    assert found.left_out == {reason: 1}
    assert found.rows == {}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"overall_preference": 4}, "'overall_preference' must be from -3 to 3, got 4"),
        ({"context": [turn("tool", "x")]}, "'role' must be one of system, user, assistant, got 'tool'"),
        ({"individual_preference": None}, "'individual_preference' is empty"),
        ({"individual_preference": [{"score": "1"}]}, "'score' must be a whole number, got '1'"),
        ({"context": ["hello"]}, "'context' must be a list of objects, got \"['hello']\""),
    ],
)
def test_a_row_outside_the_shape_is_a_fault(change: Row, fault: str) -> None:
    assert read(read_helpsteer3, [{**row(1), **change}]).faults == [("file:1", fault)]
