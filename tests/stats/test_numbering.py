import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW

from steersman.stats.arrays import IntArray, numbered, numbered_rows, tallied

NARROW = st.integers(-20, 20)
WIDE = st.integers(-(2**61), 2**61)


@FEW
@given(values=st.lists(NARROW) | st.lists(WIDE))
def test_numbers_and_first_places_are_those_of_numpy(values: list[int]) -> None:
    codes = np.array(values, dtype=np.int64)
    _, first, places, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    found = numbered(codes)
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_array_equal(found.first, first)
    np.testing.assert_array_equal(found.sizes, sizes)


@pytest.mark.parametrize("bound", [30, 2**61])
@FEW
@given(parts=st.lists(st.lists(st.integers(0, 29))))
def test_parts_are_tallied_as_one(bound: int, parts: list[list[int]]) -> None:
    """Of the smaller bound a table is made, of the larger one none could be."""
    codes = [np.array(part, dtype=np.int64) for part in parts]
    whole = np.array([code for part in parts for code in part], dtype=np.int64)
    found = tallied(codes, bound=bound, num_codes=whole.size)
    for one, other in zip(found, np.unique(whole, return_counts=True), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("columns", [1, 5, 40])
@pytest.mark.parametrize("dtype", [np.int8, np.int64])
def test_rows_are_told_apart_and_ordered_by_their_columns(columns: int, dtype: type[np.signedinteger]) -> None:
    rows: IntArray = np.random.default_rng(0).integers(0, 3, (200, columns)).astype(dtype)
    rows[100:] = rows[:100]
    different, places = np.unique(rows, axis=0, return_inverse=True)
    found = numbered_rows(rows)
    np.testing.assert_array_equal(rows[found.first], different)
    np.testing.assert_array_equal(found.places, places.ravel())
