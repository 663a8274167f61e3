import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW, UNITS, assert_same_counts, counts_of

from steersman.stats.counts import count_tables, move_unit


def test_tables_hold_pairs_ratings_and_units_by_number_of_ratings() -> None:
    tables = count_tables(counts_of([[0, 1, 1], [1, 1, 1], [2], []], levels=3))
    assert tables.units.tolist() == [1, 1, 0, 2]
    assert tables.totals.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 5, 0]]
    # 0, 1, 1 has 0-1 twice in each order and 1-1 twice; 1, 1, 1 has 1-1 six times
    assert tables.pairs[3].tolist() == [[0, 2, 0], [2, 8, 0], [0, 0, 0]]
    assert not tables.pairs[:3].any()


@FEW
@given(units=UNITS)
def test_pairs_are_the_ordered_pairs_of_each_unit(units: list[list[int]]) -> None:
    pairs = np.zeros((6, 5, 5), dtype=np.int64)
    for unit in units:
        for one, other in itertools.permutations(unit, 2):
            pairs[len(unit), one, other] += 1
    found = count_tables(counts_of(units)).pairs
    np.testing.assert_array_equal(found, pairs[: found.shape[0]])
    assert not pairs[found.shape[0] :].any()


@FEW
@given(units=UNITS, cut=st.integers(0, 20), seed=st.integers(0, 9))
def test_tables_of_parts_in_any_order_add_up_to_those_of_the_whole(units: list[list[int]], cut: int, seed: int) -> None:
    counts = counts_of(units)
    mixed = np.random.default_rng(seed).permutation(counts)
    assert_same_counts(count_tables(mixed[:cut]) + count_tables(mixed[cut:]), count_tables(counts))


@FEW
@given(units=UNITS, cut=st.integers(0, 20))
def test_taking_units_away_leaves_the_tables_of_the_rest(units: list[list[int]], cut: int) -> None:
    counts = counts_of(units)
    assert_same_counts(count_tables(counts) - count_tables(counts[:cut]), count_tables(counts[cut:]))


@FEW
@given(units=UNITS)
def test_one_rating_after_the_other_comes_to_the_tables_of_all(units: list[list[int]]) -> None:
    seen = np.zeros((len(units), 5), dtype=np.int8)
    tables = count_tables(seen)
    for place, unit in enumerate(units):
        for level in unit:
            before = seen[place].copy()
            seen[place, level] += 1
            tables = move_unit(tables, before=before, after=seen[place])
    assert_same_counts(tables, count_tables(counts_of(units)))


def test_a_rating_withdrawn_leaves_no_trace() -> None:
    tables = count_tables(counts_of([[1, 2], [3]]))
    more = move_unit(tables, before=[0, 1, 1, 0, 0], after=[0, 1, 1, 0, 1])
    assert_same_counts(move_unit(more, before=[0, 1, 1, 0, 1], after=[0, 1, 1, 0, 0]), tables)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32])
def test_narrow_integers_do_not_overflow(dtype: npt.DTypeLike) -> None:
    wide = np.array([[100, 27], [90, 37], [127, 0]])
    assert_same_counts(count_tables(wide.astype(dtype)), count_tables(wide))
    assert count_tables(wide.astype(dtype)).pairs[127, 0, 1] == 100 * 27 + 90 * 37


def test_many_levels_with_many_ratings_are_told_apart() -> None:
    """3,001 counts on each of 12 levels are more than 64 bits can tell apart at once."""
    counts = np.random.default_rng(0).permutation(np.repeat(np.eye(12, dtype=np.int64) * 3000, 3, axis=0))
    tables = count_tables(counts)
    assert tables.units[3000] == 36
    np.testing.assert_array_equal(tables.pairs[3000], np.eye(12) * 3 * 3000 * 2999)


def test_no_unit_at_all_has_empty_tables() -> None:
    tables = count_tables(np.empty((0, 5)))
    assert_same_counts(tables + count_tables(counts_of([[1, 2]])), count_tables(counts_of([[1, 2]])))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[1.0, np.nan]], "integers"),
        ([[1, -1]], "not be negative"),
        ([1, 2], "2 axes"),
        ([[3], [2]], "at least two levels"),
    ],
)
def test_counts_that_cannot_be_are_refused(counts: npt.ArrayLike, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        count_tables(counts)


def test_tables_of_unlike_scales_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="5 and of 3 levels"):
        count_tables(counts_of([[1]])) + count_tables(counts_of([[1]], levels=3))


@pytest.mark.parametrize("before", [[0, 0, 3, 0, 0], [0, 0, 0, 2, 0]])
def test_a_unit_that_is_not_there_cannot_be_moved(before: list[int]) -> None:
    with pytest.raises(ValueError, match="do not hold"):
        move_unit(count_tables(counts_of([[1, 2]])), before=before, after=[1, 0, 0, 0, 0])
