"""Rows become groups that know their rows; what is held and what runs at once is bounded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from steersman.backends.row_groups import RowGroup, filled, row_groups, windows
from steersman.errors import DataError
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.loading import load_tokenizer
from steersman.reward.spec import Form

PROMPTS = ["a?", "a?", "b?", "a?"]


@pytest.fixture
def tokenizer(tiny_model_folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_folder)


def group(row: int, num_tokens: int) -> RowGroup:
    return RowGroup(Group((1,), (ResponseTokens((2,) * (num_tokens - 1), 1),)), (row,))


def rows_of(groups: Iterator[RowGroup]) -> list[tuple[int, ...]]:
    return [each.rows for each in groups]


def test_rows_of_one_prompt_that_follow_each_other_are_a_group(tokenizer: PreTrainedTokenizerBase) -> None:
    groups = row_groups(tokenizer, PROMPTS, ["x"] * 4, form="response", most_tokens=1000)
    assert rows_of(groups) == [(0, 1), (2,), (3,)]


def test_a_group_has_at_most_sixteen_responses_and_so_many_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    groups = row_groups(tokenizer, ["a?"] * 20, ["x"] * 20, form="response", most_tokens=1000)
    assert [len(rows) for rows in rows_of(groups)] == [16, 4]
    # a response of 50 bytes and what the template adds fit twice beside the prompt, one of 900 not at all
    texts = ["a" * 50, "b" * 50, "c" * 900, "d"]
    groups = row_groups(tokenizer, ["a?"] * 4, texts, form="response", most_tokens=200)
    assert rows_of(groups) == [(0, 1), (2,), (3,)]


def test_rows_to_be_compared_are_pairs_however_long(tokenizer: PreTrainedTokenizerBase) -> None:
    groups = list(row_groups(tokenizer, ["a?"] * 4, ["x" * 90] * 4, form="comparison", most_tokens=10))
    assert [each.rows for each in groups] == [(0, 1), (2, 3)]
    assert [len(each.group.responses) for each in groups] == [2, 2]
    with pytest.raises(DataError, match="row 2: the model compares two responses"):
        list(row_groups(tokenizer, PROMPTS, ["x"] * 4, form="comparison", most_tokens=10))


def test_a_last_row_without_a_partner_is_told_so(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match=r"row 2: .*no row follows it"):
        list(row_groups(tokenizer, ["a?"] * 3, ["x"] * 3, form="comparison", most_tokens=10))


def test_no_more_than_a_window_is_held_at_a_time() -> None:
    read: list[int] = []

    def groups() -> Iterator[RowGroup]:
        for row in range(10):
            read.append(row)
            yield group(row, 30)

    held = windows(groups(), most_tokens=90)
    assert [each.rows for each in next(held)] == [(0,), (1,), (2,)]
    assert read == [0, 1, 2]
    assert [len(window) for window in held] == [3, 3, 1]


def test_rows_are_filled_from_the_longest_on() -> None:
    window = [group(row, length) for row, length in enumerate([10, 50, 200, 40, 60])]
    # 200 is more than is allowed, and runs alone
    assert [[each.rows[0] for each in row] for row in filled(window, most_tokens=110)] == [[2], [4, 1], [3, 0]]
    assert list(filled([], most_tokens=110)) == []


@pytest.mark.parametrize("form", ["response", "comparison"])
def test_nothing_gives_nothing(tokenizer: PreTrainedTokenizerBase, form: Form) -> None:
    assert list(windows(row_groups(tokenizer, [], [], form=form, most_tokens=10), most_tokens=10)) == []
