"""Sums over votes against plain loops, and that no order of terms changes a bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.stats.votes import count_votes, exact_sum, summable

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_votes_are_counted_per_unit_and_per_kind() -> None:
    # rater 1 rates unit 0 twice
    votes = count_votes([2, 0, 0, 1], unit=[0, 0, 0, 1], rater=[0, 1, 1, 0], num_levels=3)
    assert votes.per_unit.tolist() == [3, 1]
    assert votes.per_kind.tolist() == [[0, 1, 1], [2, 0, 0]]


def test_sums_per_unit_add_up_the_values_of_its_votes() -> None:
    votes = count_votes([2, 0, 1], unit=[0, 0, 1], rater=[0, 1, 0], num_levels=3)
    values = np.array([[[1.0], [2.0], [3.0]], [[10.0], [20.0], [30.0]]])
    assert votes.sums_per_unit(values).tolist() == [[3.0 + 10.0], [2.0]]


def test_sums_per_kind_add_up_the_values_of_the_units_voted_on() -> None:
    votes = count_votes([2, 2, 1], unit=[0, 1, 1], rater=[0, 0, 1], num_levels=3)
    sums = votes.sums_per_kind(np.array([[1.0, 5.0], [2.0, 7.0]]))
    assert sums[0, 2].tolist() == [3.0, 12.0]
    assert sums[1, 1].tolist() == [2.0, 7.0]
    assert sums.sum() == 3.0 + 12.0 + 2.0 + 7.0


def test_sums_over_more_units_than_fit_into_a_part_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    unit = np.sort(np.concatenate([np.arange(70_000), rng.integers(0, 70_000, 20_000)]))
    rater, level = np.arange(90_000) % 7, rng.integers(0, 3, 90_000)
    votes = count_votes(level, unit=unit, rater=rater, num_levels=3)
    of_votes, of_units = rng.integers(0, 9, (7, 3, 1)).astype(float), rng.integers(0, 9, (70_000, 1)).astype(float)
    plain = np.bincount(unit, weights=of_votes[rater, level, 0])
    np.testing.assert_array_equal(votes.sums_per_unit(of_votes)[:, 0], plain)
    plain = np.bincount(rater * 3 + level, weights=of_units[unit, 0])
    np.testing.assert_array_equal(votes.sums_per_kind(of_units).ravel(), plain)


@settings(deadline=None, max_examples=100)
@given(numbers=NUMBERS, seed=st.integers(0, 100))
def test_rounded_numbers_have_one_sum_whatever_their_order(numbers: list[float], seed: int) -> None:
    rounded = summable(np.array(numbers), largest=1e6, terms=len(numbers))
    shuffled = np.random.default_rng(seed).permutation(rounded)
    assert sum(shuffled.tolist()) == sum(rounded.tolist()) == math.fsum(rounded)


@settings(deadline=None, max_examples=100)
@given(numbers=NUMBERS)
def test_rounding_moves_a_number_by_no_more_than_promised(numbers: list[float]) -> None:
    rounded = summable(np.array(numbers), largest=1e6, terms=len(numbers))
    assert np.abs(rounded - numbers).max() <= 1e6 * len(numbers) / 2**52


def test_infinite_numbers_and_zeros_stay_what_they_are() -> None:
    assert summable(np.array([-np.inf, 0.5]), largest=0.5, terms=2).tolist() == [-np.inf, 0.5]
    assert summable(np.zeros(2), largest=0.0, terms=2).tolist() == [0.0, 0.0]


def test_the_smallest_numbers_there_are_stay_what_they_are() -> None:
    assert summable(np.array([5e-324, 1e-323]), largest=1e-323, terms=2).tolist() == [5e-324, 1e-323]


@settings(deadline=None, max_examples=100)
@given(numbers=NUMBERS)
def test_the_exact_sum_is_the_sum(numbers: list[float]) -> None:
    largest = max(map(abs, numbers))
    assert exact_sum(np.array(numbers)) == pytest.approx(math.fsum(numbers), abs=largest * len(numbers) ** 2 / 2**52)


def test_the_sum_of_nothing_is_nothing() -> None:
    assert exact_sum(np.array([])) == 0.0


@pytest.mark.parametrize(
    ("level", "unit", "rater", "told"),
    [
        ([1, 2], [0], [0, 0], "one length"),
        ([], [], [], "no rating"),
        ([3], [0], [0], "levels go from 0 to 2, got 3"),
        ([-1], [0], [0], "levels go from 0 to 2, got -1"),
        ([1], [0], [1], "raters are numbered"),
        ([1], [0], [-1], "raters are numbered"),
        ([1, 1], [1, 0], [0, 0], "units are numbered"),
        ([1, 1], [0, 2], [0, 0], "units are numbered"),
        ([1, 1], [0, 1, 0], [0, 0], "one length"),
        ([1, 1, 1], [0, 1, 0], [0, 0, 0], "units are numbered"),
    ],
)
def test_ratings_that_cannot_be_counted_are_refused(
    level: list[int], unit: list[int], rater: list[int], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        count_votes(level, unit=unit, rater=rater, num_levels=3)
