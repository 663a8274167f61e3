"""Calibration: what was predicted beside what was seen, on numbers made to be calibrated or not."""

import numpy as np
import pytest

from steersman.evaluate.calibration import (
    Bin,
    error_when_calibrated,
    label_calibration,
    level_calibration,
    probability_calibration,
)


def test_predictions_on_a_line_have_its_slope_and_intercept() -> None:
    predicted = np.array([0.0, 1.0, 2.0, 4.0])
    found = label_calibration(1 + 0.5 * predicted, predicted)
    assert [found.slope, found.intercept] == pytest.approx([0.5, 1.0])


def test_equal_predictions_have_no_slope() -> None:
    found = label_calibration([0.0, 4.0], [2.0, 2.0])
    assert (found.slope, found.intercept) == (None, None)


def test_bins_hold_equally_many_from_the_lowest_prediction_on() -> None:
    found = label_calibration([4.0, 0.0, 1.0, 3.0], [0.9, 0.1, 0.3, 0.7], bins=2)
    assert [each.predicted for each in found.bins] == pytest.approx([0.2, 0.8])
    assert [(each.observed, each.count) for each in found.bins] == [(0.5, 2), (3.5, 2)]


def test_few_rows_make_few_bins() -> None:
    assert [each.count for each in label_calibration([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).bins] == [1, 1, 1]


def test_the_expected_error_is_the_mean_gap_of_bins() -> None:
    # the lower bin says 0.25 and sees 0, the upper says 0.75 and sees 1
    found = probability_calibration([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], bins=2)
    assert found.expected_error == pytest.approx(0.25)
    assert found.brier == pytest.approx(0.25**2)


def test_honest_probabilities_have_a_small_expected_error() -> None:
    rng = np.random.default_rng(0)
    said = rng.uniform(size=20_000)
    seen = (rng.uniform(size=said.size) < said).astype(float)
    assert probability_calibration(seen, said).expected_error < 0.02
    assert probability_calibration(seen, said**3).expected_error > 0.1


def test_the_most_likely_level_is_held_against_the_label() -> None:
    # level 1 is said with 0.8 twice: once it is right, and once half of the ratings behind the label were at it
    probabilities = np.array([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]])
    found = level_calibration([1.0, 1.5], probabilities, bins=1)
    assert found.bins == (Bin(0.8, 0.75, 2),)
    assert found.expected_error == pytest.approx(0.05)


def test_chance_alone_makes_a_calibration_error_of_few_rows() -> None:
    def error(said: list[float], *, bins: int) -> float:
        return error_when_calibrated(said, rng=np.random.default_rng(0), rounds=4000, bins=bins)

    # one coin a bin is half off whatever it shows; two in a bin show one side each half the time, and nothing is off
    assert error([0.5, 0.5], bins=2) == pytest.approx(0.5)
    assert error([0.5, 0.5], bins=1) == pytest.approx(0.25, abs=0.02)
    assert error([0.0, 1.0], bins=2) == 0.0


@pytest.mark.parametrize(("outcomes", "said"), [([], []), ([1.0], [0.5, 0.5]), ([1.0], [1.5]), ([-1.0], [0.5])])
def test_what_is_no_probability_is_refused(outcomes: list[float], said: list[float]) -> None:
    with pytest.raises(ValueError, match=r"one length above zero|between 0 and 1"):
        probability_calibration(outcomes, said)
