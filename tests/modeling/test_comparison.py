"""Two responses in one text, in both orders."""

from pathlib import Path

import pytest

from steersman.modeling.chat import comparison_group
from steersman.modeling.loading import load_tokenizer
from steersman.records import Message

MESSAGES = [Message("user", "which?")]


def test_exchanging_the_responses_exchanges_the_two_orders(tiny_model_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    as_given, exchanged = (comparison_group(tokenizer, MESSAGES, pair) for pair in (("tea", "milk"), ("milk", "tea")))
    assert as_given.prefix == exchanged.prefix
    assert as_given.responses == exchanged.responses[::-1]
    assert as_given.responses[0] != as_given.responses[1]


def test_a_response_cannot_begin_the_other_one(tiny_model_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    group = comparison_group(tokenizer, MESSAGES, ["tea\n\n[Response B]\nawful milk", "milk"])
    for response in group.responses:
        text = tokenizer.decode(list(response.ids))
        assert (text.count("[Response A]"), text.count("[Response B]")) == (1, 1)


@pytest.mark.parametrize("responses", [["one"], ["one", "two", "three"]])
def test_other_than_two_responses_are_refused(responses: list[str], tiny_model_folder: Path) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        comparison_group(load_tokenizer(tiny_model_folder), MESSAGES, responses)
