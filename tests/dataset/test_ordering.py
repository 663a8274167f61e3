from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.dataset.ordering import ordered_texts
from steersman.errors import DataError


def chunks_of(total: int, *, size: int) -> Iterator[pl.DataFrame]:
    for start in range(0, total, size):
        numbers = range(start, min(start + size, total))
        yield pl.DataFrame(
            {
                "row": list(numbers),
                "prompt": [f"p{number}" for number in numbers],
                "response": [f"r{number}" for number in numbers],
            }
        )


@settings(deadline=None, max_examples=60)
@given(total=st.integers(1, 30), size=st.integers(1, 9), data=st.data())
def test_texts_come_in_the_order_asked_for(total: int, size: int, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, total - 1), unique=True, max_size=total))
    found = list(ordered_texts(chunks_of(total, size=size), rows=np.array(rows, dtype=np.int64)))
    assert [row for part in found for row in part["row"].to_list()] == rows
    assert [text for part in found for text in part["response"].to_list()] == [f"r{row}" for row in rows]
    assert all(part.columns == ["row", "prompt", "response"] and part.height for part in found)


def test_texts_are_given_as_soon_as_all_those_before_them_have_come() -> None:
    sizes = [part.height for part in ordered_texts(chunks_of(6, size=2), rows=np.array([1, 2, 0, 3, 4, 5]))]
    # of the first two rows, row 0 waits for row 2
    assert sizes == [1, 3, 2]


def test_rows_that_never_come_are_told() -> None:
    with pytest.raises(DataError, match="1 rows of the ratings were not found again"):
        list(ordered_texts(chunks_of(4, size=2), rows=np.array([3, 4])))
