from collections.abc import Sequence

import polars as pl
import pytest

from steersman.dataset.examples import pairs_from_examples
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.tables import EXAMPLES, table_from_rows


def examples(helpfulness: Sequence[int], *, prompts: Sequence[str] | None = None) -> pl.DataFrame:
    names = prompts or [f"prompt {row // 2}" for row in range(len(helpfulness))]
    rows = [
        {"prompt": name, "response": f"response {row}", **dict.fromkeys(ATTRIBUTES, 2), "helpfulness": score}
        for row, (name, score) in enumerate(zip(names, helpfulness, strict=True))
    ]
    return table_from_rows(rows, table=EXAMPLES, source="test")


def test_the_more_helpful_response_is_chosen_and_ties_make_no_pair() -> None:
    pairs = pairs_from_examples(examples([1, 4, 3, 2, 2, 2]))
    assert pairs.rows() == [
        ("prompt 0", "response 1", "response 0", 3.0),
        ("prompt 1", "response 2", "response 3", 1.0),
    ]


def test_pairs_can_follow_another_attribute() -> None:
    assert pairs_from_examples(examples([1, 4]), attribute="verbosity").height == 0


def test_neighbours_with_different_prompts_are_refused() -> None:
    with pytest.raises(DataError, match="rows 3 and 4 have different prompts"):
        pairs_from_examples(examples([1, 2, 3, 4], prompts=["a", "a", "b", "c"]))


def test_a_last_row_without_partner_is_refused() -> None:
    with pytest.raises(DataError, match="the last one has no partner"):
        pairs_from_examples(examples([1, 2, 3]))
