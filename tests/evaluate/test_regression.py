import numpy as np
import pytest
from scipy.stats import spearmanr

from steersman.errors import DataError
from steersman.evaluate.regression import error_gain, regression_fit, spearman

LABELS = [4, 0, 3, 1]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_perfect_prediction_has_no_error_and_gains_the_variance_around_the_constant() -> None:
    found = regression_fit(LABELS, LABELS, constant=2.0, rng=rng(), rounds=100)
    assert found.mean_squared_error.estimate == 0.0
    assert found.constant_mean_squared_error.estimate == np.mean([4, 4, 1, 1])
    assert found.gain.estimate == found.constant_mean_squared_error.estimate


def test_predicting_the_constant_gains_nothing_and_has_no_rank_correlation() -> None:
    found = regression_fit(LABELS, [2.0] * 4, constant=2.0, rng=rng(), rounds=100)
    assert (found.gain.estimate, found.gain.low, found.gain.high) == (0.0, 0.0, 0.0)
    assert found.spearman is None


def test_errors_are_those_of_all_rows() -> None:
    predictions = [3, 1, 3, 3]
    found = regression_fit(LABELS, predictions, constant=0.0, rng=rng(), rounds=100)
    assert found.mean_squared_error.estimate == np.mean(
        [(a - b) ** 2 for a, b in zip(LABELS, predictions, strict=True)]
    )


def test_the_unit_of_the_interval_is_the_pair() -> None:
    found = regression_fit(LABELS, LABELS, constant=0.0, rng=rng(), rounds=100)
    assert found.gain.count == len(LABELS) // 2


def test_a_prediction_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        regression_fit([1, 2], [1, float("inf")], constant=0.0, rng=rng(), rounds=10)


def test_an_odd_number_of_rows_has_no_pairs() -> None:
    with pytest.raises(DataError, match="3 rows"):
        regression_fit([1, 2, 3], [1, 2, 3], constant=0.0, rng=rng(), rounds=10)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="equal vectors"):
        regression_fit([1, 2], [[1, 2]], constant=0.0, rng=rng(), rounds=10)


def test_spearman_sees_only_ranks() -> None:
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)


def test_spearman_with_ties_equals_that_of_scipy() -> None:
    labels, scores = np.random.default_rng(3).integers(0, 5, size=(2, 60))
    assert spearman(labels, scores) == pytest.approx(spearmanr(labels, scores).statistic)


def test_a_gain_is_the_error_of_the_constant_less_that_of_the_predictions_over_pairs() -> None:
    pairs, predictions = [[4, 0], [3, 1]], [[4, 0], [2, 2]]
    found = error_gain(pairs, predictions, constant=2.0, rng=rng(), rounds=100)
    # the first pair gains all of its error of 4, the second predicts what the constant does
    assert (found.estimate, found.low, found.high, found.count) == (2.0, 0.0, 4.0, 2)
