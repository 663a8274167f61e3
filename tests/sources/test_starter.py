"""The shipped prompts keep what docs/prompts.md promises."""

import re

import polars as pl
import pytest

from steersman.prompts.statistics import prompt_statistics
from steersman.records import Message, prompt_to_text
from steersman.sources.starter import starter_prompts

MAX_CHARACTERS = 700
# addresses, links and long numbers would be personal data or lead outside
PERSONAL = re.compile(r"@|https?://|www\.|\d[\d -]{7,}\d")


@pytest.fixture(scope="module")
def prompts() -> pl.DataFrame:
    return starter_prompts()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def _texts(prompts: pl.DataFrame) -> list[str]:
    return [" ".join(turn["content"] for turn in turns) for turns in prompts["messages"]]


def test_there_are_enough_prompts_over_enough_topics(prompts: pl.DataFrame) -> None:
    assert prompts.height >= 168
    assert prompts["topic"].n_unique() >= 22
    assert prompts["topic"].null_count() == 0


def test_ids_count_upwards_from_one(prompts: pl.DataFrame) -> None:
    assert prompts["prompt_id"].to_list() == [f"starter-{number:03d}" for number in range(1, prompts.height + 1)]


def test_every_level_of_complexity_holds_at_least_15_percent(prompts: pl.DataFrame) -> None:
    shares = prompt_statistics(prompts).filter(by="complexity")
    assert shares["value"].to_list() == ["1", "2", "3", "4", "5"]
    assert min(shares["share"]) >= 0.15


def test_29_percent_are_multi_turn(prompts: pl.DataFrame) -> None:
    share = prompt_statistics(prompts).filter(by="turns", value="multi")["share"].item()
    assert 0.28 <= share <= 0.30


def test_all_prompts_are_ours_and_free(prompts: pl.DataFrame) -> None:
    assert prompts.select("source", "licence").unique().rows() == [("steersman-starter-prompts", "CC0-1.0")]


def test_every_prompt_can_be_written_in_helpsteer2s_text_form(prompts: pl.DataFrame) -> None:
    for turns in prompts["messages"]:
        assert prompt_to_text([Message(turn["role"], turn["content"]) for turn in turns])


def test_texts_are_short_and_not_blank(prompts: pl.DataFrame) -> None:
    lengths = [len(turn["content"].strip()) for turns in prompts["messages"] for turn in turns]
    assert min(lengths) > 0
    assert max(map(len, _texts(prompts))) <= MAX_CHARACTERS


def test_no_two_prompts_share_eight_words_in_a_row(prompts: pl.DataFrame) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(_texts(prompts)):
        words = _words(text)
        for start in range(len(words) - 7):
            assert seen.setdefault(tuple(words[start : start + 8]), number) == number


def test_no_prompt_is_nearly_the_bag_of_words_of_another(prompts: pl.DataFrame) -> None:
    bags = [frozenset(_words(text)) for text in _texts(prompts)]
    pairs = ((first, second) for index, first in enumerate(bags) for second in bags[:index])
    assert max(len(first & second) / len(first | second) for first, second in pairs) < 0.5


def test_no_prompt_holds_an_address_a_link_or_a_long_number(prompts: pl.DataFrame) -> None:
    assert [text for text in _texts(prompts) if PERSONAL.search(text)] == []
