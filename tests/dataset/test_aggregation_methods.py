"""What holds for every way of making labels, and what the two models of annotators see that counting does not."""

from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.cleaning import Aggregation, Rounding
from steersman.dataset.aggregation import aggregate, aggregate_values
from steersman.dataset.grid import RatingGrid

Bools = npt.NDArray[np.bool_]
METHODS: tuple[Aggregation, ...] = get_args(Aggregation)
MODELS: tuple[Aggregation, ...] = ("dawid_skene", "rater_bias")
ANNOTATORS = 10


def crowd(seed: int, *, responses: int = 300, spammers: int = 0) -> tuple[RatingGrid, npt.NDArray[np.int64]]:
    """Return responses rated by three of ten annotators each, and their true scores (S, 5); spammers always say 4."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, (responses, 5))
    who = np.sort(rng.permuted(np.tile(np.arange(ANNOTATORS), (responses, 1)), axis=1)[:, :3], axis=1)
    scores = np.clip(truth[:, None] + rng.choice([-1, 0, 0, 0, 0, 1], size=(responses, 3, 5)), 0, 4)
    scores[who < spammers] = 4
    return RatingGrid(
        scores=scores.reshape(-1, 5).astype(np.int8),
        given=np.ones((3 * responses, 5), dtype=np.bool_),
        response=np.repeat(np.arange(responses), 3),
        annotator=who.ravel(),
        task=np.arange(responses),
        rank=np.tile(np.arange(3), responses),
        rows=np.arange(3 * responses),
        num_tasks=responses,
    ), truth


def every(grid: RatingGrid) -> Bools:
    return np.ones(grid.scores.shape, dtype=np.bool_)


def moved(grid: RatingGrid, *, seed: int) -> tuple[RatingGrid, npt.NDArray[np.int64]]:
    """Return the grid with responses and annotators numbered anew, and the new number of each response."""
    rng = np.random.default_rng(seed)
    new_response, new_person = rng.permutation(grid.task.size), rng.permutation(ANNOTATORS)
    response, annotator = new_response[grid.response], new_person[grid.annotator]
    order = np.lexsort((annotator, response))
    return replace(
        grid,
        scores=grid.scores[order],
        given=grid.given[order],
        response=response[order],
        annotator=annotator[order],
    ), new_response


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=15)
@given(responses=st.integers(1, 40), seed=st.integers(0, 100))
def test_no_order_of_responses_and_annotators_changes_a_value(method: Aggregation, responses: int, seed: int) -> None:
    grid, _ = crowd(seed, responses=responses)
    other, new_response = moved(grid, seed=seed)
    values = aggregate_values(grid, used=every(grid), method=method)
    np.testing.assert_array_equal(values, aggregate_values(other, used=every(grid), method=method)[new_response])


@pytest.mark.parametrize("method", METHODS)
def test_only_used_and_given_scores_count(method: Aggregation) -> None:
    grid, _ = crowd(1)
    counts = grid.annotator != 4
    spoiled = replace(
        grid,
        scores=np.where(counts[:, None], grid.scores, 0).astype(np.int8),
        given=grid.given & (grid.annotator != 5)[:, None],
    )
    left = counts & (grid.annotator != 5)
    alone = replace(grid, **{name: getattr(grid, name)[left] for name in ("scores", "given", "response", "annotator")})
    found = aggregate_values(spoiled, used=every(grid) & counts[:, None], method=method)
    np.testing.assert_array_equal(found, aggregate_values(alone, used=every(alone), method=method))


@pytest.mark.parametrize("method", METHODS)
def test_each_attribute_is_decided_for_itself(method: Aggregation) -> None:
    grid, _ = crowd(2)
    changed = grid.scores.copy()
    changed[:, 3] = 4 - changed[:, 3]
    values = aggregate_values(grid, used=every(grid), method=method)
    other = aggregate_values(replace(grid, scores=changed), used=every(grid), method=method)
    np.testing.assert_array_equal(values[:, [0, 1, 2, 4]], other[:, [0, 1, 2, 4]])
    np.testing.assert_allclose(values[:, 3], 4 - other[:, 3], atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_response_without_used_scores_has_no_value(method: Aggregation) -> None:
    grid, _ = crowd(3)
    used = every(grid)
    used[grid.response == 7, 2] = False
    values = aggregate_values(grid, used=used, method=method)
    assert np.argwhere(np.isnan(values)).tolist() == [[7, 2]]
    assert aggregate(grid, used=used, method=method, rounding="half_up")[7, 2] == 0


@pytest.mark.parametrize("method", METHODS)
def test_nothing_used_gives_no_values_and_zero_labels(method: Aggregation) -> None:
    grid, _ = crowd(3)
    assert np.isnan(aggregate_values(grid, used=~every(grid), method=method)).all()
    assert not aggregate(grid, used=~every(grid), method=method, rounding="half_even").any()


def error(labels: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> float:
    return float(np.sqrt(np.mean((labels - truth) ** 2)))


@pytest.mark.parametrize("method", MODELS)
def test_models_see_through_annotators_who_always_say_four(method: Aggregation) -> None:
    grid, truth = crowd(4, spammers=2)
    labels = aggregate(grid, used=every(grid), method=method, rounding="half_up")
    mean = aggregate(grid, used=every(grid), method="mean", rounding="half_up")
    assert error(labels, truth) < 0.6 * error(mean, truth)


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_whole_scores_near_the_values(method: Aggregation) -> None:
    grid, _ = crowd(5, spammers=2)
    values = aggregate_values(grid, used=every(grid), method=method)
    labels = aggregate(grid, used=every(grid), method=method, rounding="half_even")
    assert labels.dtype == np.int64
    assert set(np.unique(labels).tolist()) <= {0, 1, 2, 3, 4}
    assert np.abs(labels - values).max() <= 0.5


def test_the_most_probable_level_may_be_asked_for() -> None:
    grid, _ = crowd(6)
    means = aggregate_values(grid, used=every(grid), method="dawid_skene")
    levels = aggregate_values(grid, used=every(grid), method="dawid_skene", dawid_skene="most_probable")
    assert set(np.unique(levels).tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    # with nearly all of the posterior on one level, the mean is near it
    is_sure = np.abs(means - np.rint(means)) < 0.01
    assert is_sure.mean() > 0.2
    np.testing.assert_array_equal(levels[is_sure], np.rint(means)[is_sure])


@pytest.mark.parametrize(("rounding", "expected"), [("half_up", 3), ("half_even", 2), ("half_down", 2)])
def test_two_annotators_of_whom_nothing_else_is_known_meet_half_way(rounding: Rounding, expected: int) -> None:
    grid, _ = crowd(0, responses=1)
    grid = replace(grid, scores=np.array([[2] * 5, [3] * 5, [0] * 5], dtype=np.int8))
    used = every(grid)
    used[2] = False
    assert (aggregate_values(grid, used=used, method="rater_bias") == 2.5).all()
    assert (aggregate(grid, used=used, method="rater_bias", rounding=rounding) == expected).all()


def test_labels_by_rater_bias_stay_on_the_scale() -> None:
    # annotators 0 to 4 are harsh by one level, the others lenient: a 4 of three harsh ones stands for 5
    grid, _ = crowd(7)
    truth = np.random.default_rng(7).integers(-1, 6, (300, 5))
    leaning = np.where(grid.annotator < 5, -1, 1)[:, None]
    scores = np.clip(truth[grid.response] + leaning, 0, 4).astype(np.int8)
    grid = replace(grid, scores=scores)
    values = aggregate_values(grid, used=every(grid), method="rater_bias")
    assert (values.min(), values.max()) == (0.0, 4.0)
    harsh = np.bincount(grid.response, weights=grid.annotator < 5) == 3
    all_four = np.bincount(grid.response, weights=scores[:, 0] == 4) == 3
    assert (values[harsh & all_four, 0] == 4.0).all()


def test_annotators_with_five_ratings_each_do_not_lead_dawid_skene_astray() -> None:
    grid, truth = crowd(8)
    strangers = np.sort(np.random.default_rng(8).permuted(np.tile(np.arange(180), (300, 1)), axis=1)[:, :3], axis=1)
    grid = replace(grid, annotator=strangers.ravel())
    median = aggregate(grid, used=every(grid), method="median", rounding="half_up")
    labels = aggregate(grid, used=every(grid), method="dawid_skene", rounding="half_up")
    assert error(labels, truth) < 1.1 * error(median, truth)
