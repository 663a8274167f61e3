from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from steersman.dataset.statistics import describe, measure, statistics
from steersman.errors import DataError
from steersman.records import ATTRIBUTES, Message, prompt_to_text
from steersman.tables import EXAMPLES, table_from_rows


def examples(helpfulness: Sequence[int], *, prompts: Sequence[str] | None = None) -> pl.DataFrame:
    names = prompts or [f"prompt {row // 2}" for row in range(len(helpfulness))]
    rows = [
        {"prompt": name, "response": f"response {row}", **dict.fromkeys(ATTRIBUTES, 2), "helpfulness": score}
        for row, (name, score) in enumerate(zip(names, helpfulness, strict=True))
    ]
    return table_from_rows(rows, table=EXAMPLES, source="test")


def measured(helpfulness: Sequence[int], *, prompts: Sequence[str] | None = None) -> pl.DataFrame:
    return measure(examples(helpfulness, prompts=prompts))


def test_statistics_are_those_of_the_columns() -> None:
    found = describe(measured([0, 1, 2, 3]))
    assert found["helpfulness"].mean == pytest.approx(1.5)
    assert found["helpfulness"].std == pytest.approx(np.sqrt(1.25))
    assert found["helpfulness"].pearson == pytest.approx(1.0)
    assert found["verbosity"].pearson is None


def test_every_turn_of_a_prompt_is_counted() -> None:
    prompt = prompt_to_text([Message("user", "one"), Message("assistant", "two"), Message("user", "three")])
    found = statistics(measured([0, 1, 2, 3], prompts=[prompt, prompt, "x", "x"]))
    assert found["turns_in_prompt"] == {"mean": 2.0, "std": 1.0, "pearson_helpfulness": pytest.approx(-2 / np.sqrt(5))}
    assert found["multi_turn_share"] == 0.5


def test_labels_are_counted_by_level() -> None:
    found = statistics(measured([0, 1, 3, 3]))["helpfulness"]
    assert isinstance(found, dict)
    assert found["histogram"] == [1, 1, 0, 2, 0]


def test_no_examples_cannot_be_described() -> None:
    with pytest.raises(DataError, match="no examples"):
        describe(measured([]))
