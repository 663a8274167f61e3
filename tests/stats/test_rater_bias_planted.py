"""Raters planted with biases, scales and noise, and found again; a fine scale, so that rounding hardly matters."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from steersman.stats.rater_bias import RaterBiasFit, RaterBiasRules, fit_rater_bias

FINE_LEVELS = 401


@dataclass(frozen=True, slots=True)
class Ratings:
    level: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    rater: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Planted:
    truth: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]


def fitted(ratings: Ratings, rules: RaterBiasRules) -> RaterBiasFit:
    return fit_rater_bias(ratings.level, unit=ratings.unit, rater=ratings.rater, num_levels=FINE_LEVELS, rules=rules)


def ratings_of(planted: Planted, *, seed: int, per_unit: int) -> Ratings:
    """Return ratings around level 200 of units whose truth is given around 0."""
    rng = np.random.default_rng(seed)
    units, raters = planted.truth.size, planted.bias.size
    rater = rng.permuted(np.tile(np.arange(raters), (units, 1)), axis=1)[:, :per_unit]
    felt = planted.bias[rater] + planted.scale[rater] * planted.truth[:, None]
    felt += planted.noise[rater] * rng.normal(size=rater.shape)
    level = np.clip(np.rint(felt + 200), 0, FINE_LEVELS - 1).astype(np.int64)
    return Ratings(level.ravel(), np.repeat(np.arange(units), per_unit), rater.ravel())


def crowd(*, units: int) -> Planted:
    truth = np.random.default_rng(8).normal(0, 20, units)
    bias, scale = np.array([-10.0, -5.0, 0.0, 5.0, 10.0, 0.0]), np.array([0.8, 1.1, 1.0, 1.2, 0.9, 1.0])
    # as the model counts them, biases have a mean of 0 and scales of 1, both weighted by scale
    scale = scale * scale.sum() / (scale**2).sum()
    return Planted(truth, bias - scale * (bias @ scale) / (scale**2).sum(), scale, np.array([3.0, 6, 9, 12, 6, 15]))


LOOSE = RaterBiasRules(bias_sd=1000.0, scale_sd=10.0, noise_ratings=1e-3, tolerance=1e-9)


def test_planted_raters_are_found_again() -> None:
    planted = crowd(units=20_000)
    fit = fitted(ratings_of(planted, seed=2, per_unit=4), LOOSE)
    at_centre = planted.bias + (planted.scale - 1.0) * (fit.centre - 200)
    np.testing.assert_allclose(fit.bias, at_centre, atol=0.4)
    np.testing.assert_allclose(fit.scale, planted.scale, atol=0.02)
    np.testing.assert_allclose(fit.noise, planted.noise, atol=0.3)


def test_truths_miss_by_as_much_as_they_say() -> None:
    planted = crowd(units=20_000)
    fit = fitted(ratings_of(planted, seed=2, per_unit=4), LOOSE)
    missed = (fit.truth - (planted.truth + 200)) / fit.truth_sd
    assert math.sqrt(np.mean(missed**2)) == pytest.approx(1.0, abs=0.02)
    assert np.mean(missed) == pytest.approx(0.0, abs=0.05)


def test_the_objective_never_falls_while_the_scales_move_far() -> None:
    ratings = ratings_of(crowd(units=500), seed=2, per_unit=4)
    course = fitted(ratings, replace(LOOSE, tolerance=0.0, max_iterations=300)).objective
    assert (np.diff(course) >= -1e-12 * ratings.level.size).all()


def test_random_raters_do_not_press_the_truths_together() -> None:
    planted = crowd(units=5_000)
    honest = ratings_of(planted, seed=3, per_unit=6)
    is_random = honest.rater >= 4
    level = np.where(is_random, np.random.default_rng(1).integers(150, 250, honest.level.size), honest.level)
    fit = fitted(replace(honest, level=level), LOOSE)
    assert np.abs(fit.scale[4:]).max() < 0.05
    honest_scale = planted.scale[:4] * planted.scale[:4].sum() / (planted.scale[:4] ** 2).sum()
    np.testing.assert_allclose(fit.scale[:4], honest_scale, atol=0.03)


def test_a_precise_rater_outweighs_a_noisy_one_unless_all_count_as_equally_noisy() -> None:
    planted = Planted(np.random.default_rng(2).normal(0, 20, 4000), np.zeros(3), np.ones(3), np.array([3.0, 3.0, 20.0]))
    ratings = ratings_of(planted, seed=5, per_unit=3)
    fits = [fitted(ratings, RaterBiasRules(noise_ratings=many)) for many in (3.0, 1e12)]
    errors = [math.sqrt(np.mean((fit.truth - 200 - planted.truth) ** 2)) for fit in fits]
    # weighted by precision, two ratings with an error of 3 and one of 20; without weights no better than their mean
    assert errors[0] == pytest.approx(1 / math.sqrt(2 / 9 + 1 / 400), abs=0.1)
    assert errors[1] > math.sqrt(9 + 9 + 400) / 3 - 0.2
