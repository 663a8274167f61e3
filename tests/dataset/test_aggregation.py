"""Mean, median and majority against plain fractions, their rounding, and the symmetry of the scale."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import median
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.cleaning import Aggregation, Rounding
from steersman.dataset.aggregation import aggregate, aggregate_values
from steersman.dataset.grid import RatingGrid

COUNTED: tuple[Aggregation, ...] = ("mean", "median", "majority")
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
MIRRORED: dict[Rounding, Rounding] = {"half_up": "half_down", "half_down": "half_up", "half_even": "half_even"}

# one response: for each of five annotators the five scores, or None
SCORES = st.lists(st.integers(0, 4), min_size=5, max_size=5)
RESPONSE = st.lists(SCORES | st.none(), min_size=5, max_size=5)
RESPONSES = st.lists(RESPONSE, min_size=1, max_size=8)


def grid_of(responses: Sequence[Sequence[Sequence[int] | None]]) -> RatingGrid:
    """Return a grid of one task per response; its annotators are the places in the lists."""
    rated = [
        (number, annotator, scores)
        for number, ratings in enumerate(responses)
        for annotator, scores in enumerate(ratings)
        if scores is not None
    ]
    scores = np.array([each for _, _, each in rated], dtype=np.int8).reshape(-1, 5)
    return RatingGrid(
        scores=scores,
        given=np.ones(scores.shape, dtype=np.bool_),
        response=np.array([number for number, _, _ in rated], dtype=np.int64),
        annotator=np.array([annotator for _, annotator, _ in rated], dtype=np.int64),
        task=np.arange(len(responses)),
        rank=np.array([annotator for _, annotator, _ in rated], dtype=np.int64),
        rows=np.arange(len(rated)),
        num_tasks=len(responses),
    )


def label(scores: Sequence[int], *, method: Aggregation, rounding: Rounding = "half_up") -> int:
    grid = grid_of([[[score] * 5 for score in scores]])
    return int(aggregate(grid, used=grid.given, method=method, rounding=rounding)[0, 0])


def plain_value(scores: Sequence[int], method: Aggregation) -> Fraction:
    if method == "mean":
        return Fraction(sum(scores), len(scores))
    middle = Fraction(median(scores))
    if method == "median":
        return middle
    votes = Counter(scores)
    top = [level for level in votes if votes[level] == max(votes.values())]
    nearest = [level for level in top if abs(level - middle) == min(abs(each - middle) for each in top)]
    return Fraction(nearest[0]) if len(nearest) == 1 else middle


def plain_rounded(value: Fraction, rounding: Rounding) -> int:
    if value % 1 != Fraction(1, 2) or rounding == "half_even":
        return round(value)  # Python rounds halves to even
    return int(value + Fraction(1, 2)) if rounding == "half_up" else int(value - Fraction(1, 2))


@pytest.mark.parametrize(
    ("scores", "expected"), [([0, 0, 0], 0), ([3, 3, 4], 3), ([3, 4, 4], 4), ([1, 2, 4], 2), ([1, 2, 3], 2)]
)
def test_the_mean_of_three_is_the_label_of_the_specification(scores: list[int], expected: int) -> None:
    assert [label(scores, method="mean", rounding=rounding) for rounding in ROUNDINGS] == [expected] * 3


@pytest.mark.parametrize("method", COUNTED)
@pytest.mark.parametrize(
    ("scores", "up", "even", "down"),
    [([2, 3], 3, 2, 2), ([3, 4], 4, 4, 3), ([0, 1], 1, 0, 0), ([2, 2, 3, 3], 3, 2, 2), ([1, 1], 1, 1, 1)],
)
def test_a_half_is_rounded_as_asked(method: Aggregation, scores: list[int], up: int, even: int, down: int) -> None:
    found = {rounding: label(scores, method=method, rounding=rounding) for rounding in ROUNDINGS}
    assert found == {"half_up": up, "half_even": even, "half_down": down}


@pytest.mark.parametrize(
    ("scores", "expected", "why"),
    [
        ([0, 0, 4, 4, 4], 4, "most votes"),
        ([0, 0, 1, 4, 4], 0, "0 and 4 tie; the median 1 is nearer to 0"),
        ([0, 0, 3, 4, 4], 4, "0 and 4 tie; the median 3 is nearer to 4"),
        ([0, 0, 4, 4], 2, "0 and 4 tie and are as near to the median 2, which stands"),
        ([0, 2, 4], 2, "all tie; 2 is the median"),
    ],
)
def test_a_tied_majority_is_decided_by_the_median(scores: list[int], expected: int, why: str) -> None:
    assert label(scores, method="majority") == expected, why


@pytest.mark.parametrize("method", COUNTED)
@pytest.mark.parametrize("ratings", [31, 32, 33, 1001])
def test_hundreds_of_scores_of_one_response_are_counted_in_full(method: Aggregation, ratings: int) -> None:
    assert label([4] * ratings, method=method) == 4
    assert label([0] * (ratings // 2) + [3] * (ratings - ratings // 2 + 1), method=method) == (
        round(3 * (ratings - ratings // 2 + 1) / (ratings + 1)) if method == "mean" else 3
    )


@pytest.mark.parametrize("method", COUNTED)
@settings(deadline=None, max_examples=60)
@given(responses=RESPONSES, used=st.integers(0, 2**32))
def test_counted_labels_are_those_of_plain_fractions(
    method: Aggregation, responses: list[list[list[int] | None]], used: int
) -> None:
    grid = grid_of(responses)
    grid = replace(grid, given=np.random.default_rng(used + 1).random(grid.scores.shape) < 0.8)
    counts = np.random.default_rng(used).random(grid.scores.shape) < 0.8
    values = aggregate_values(grid, used=counts, method=method)
    labels = {each: aggregate(grid, used=counts, method=method, rounding=each) for each in ROUNDINGS}
    for response, attribute in np.ndindex(values.shape):
        where = (grid.response == response) & counts[:, attribute] & grid.given[:, attribute]
        scores = grid.scores[where, attribute].tolist()
        if not scores:
            assert np.isnan(values[response, attribute])
            assert all(found[response, attribute] == 0 for found in labels.values())
            continue
        expected = plain_value(scores, method)
        assert values[response, attribute] == float(expected)
        for rounding, found in labels.items():
            assert found[response, attribute] == plain_rounded(expected, rounding)


@pytest.mark.parametrize("method", COUNTED)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@settings(deadline=None, max_examples=40)
@given(scores=st.lists(st.integers(0, 4), min_size=1, max_size=7))
def test_the_two_ends_of_the_scale_are_alike(method: Aggregation, rounding: Rounding, scores: list[int]) -> None:
    mirrored = [4 - score for score in scores]
    assert label(mirrored, method=method, rounding=MIRRORED[rounding]) == 4 - label(
        scores, method=method, rounding=rounding
    )
