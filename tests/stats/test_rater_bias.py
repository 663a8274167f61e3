"""The model of rater bias: its objective against a dense normal, its priors, and what no order may change."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from steersman.stats import rater_bias
from steersman.stats.rater_bias import DEFAULTS, RaterBiasFit, RaterBiasRules, fit_rater_bias
from steersman.stats.votes import count_votes

LEVELS = 5


@dataclass(frozen=True, slots=True)
class Ratings:
    level: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    rater: npt.NDArray[np.int64]


def fitted(ratings: Ratings, rules: RaterBiasRules = DEFAULTS, *, levels: int = LEVELS) -> RaterBiasFit:
    return fit_rater_bias(ratings.level, unit=ratings.unit, rater=ratings.rater, num_levels=levels, rules=rules)


def drawn(seed: int, *, units: int, raters: int) -> Ratings:
    rng = np.random.default_rng(seed)
    rater = rng.permuted(np.tile(np.arange(raters), (units, 1)), axis=1)[:, :3]
    rater[0], rater[1] = [0, 1, 2], [raters - 3, raters - 2, raters - 1]
    felt = rng.normal(2, 1, (units, 1)) + rng.normal(0, 0.5, raters)[rater] + rng.normal(0, 0.7, rater.shape)
    level = np.clip(np.rint(felt), 0, LEVELS - 1).astype(np.int64)
    return Ratings(level.ravel(), np.repeat(np.arange(units), 3), rater.ravel())


RATINGS = st.builds(drawn, st.integers(0, 10_000), units=st.integers(2, 40), raters=st.integers(3, 6))
RULES = st.builds(
    RaterBiasRules,
    bias_sd=st.sampled_from([0.1, 0.5, 2.0]),
    scale_sd=st.sampled_from([0.1, 0.5, 2.0]),
    noise_ratings=st.sampled_from([0.5, 3.0, 50.0]),
    tolerance=st.just(0.0),
    max_iterations=st.integers(1, 40),
)


def plain_objective(ratings: Ratings, fit: RaterBiasFit, rules: RaterBiasRules) -> float:
    """Return log-density and log-priors of a fit, unit by unit, with mean and spread of the truths the likeliest."""
    mean = float(np.mean(fit.truth)) - fit.centre
    spread = float(np.mean((fit.truth - fit.centre - mean) ** 2 + fit.truth_sd**2))
    total = 0.0
    for unit in range(ratings.unit.max() + 1):
        here = ratings.unit == unit
        rater, scale = ratings.rater[here], fit.scale[ratings.rater[here]]
        total += multivariate_normal.logpdf(
            ratings.level[here] - fit.centre,
            mean=fit.bias[rater] + scale * mean,
            cov=np.diag(fit.noise[rater] ** 2) + spread * np.outer(scale, scale),
        )
    return total - float(np.sum((fit.bias / rules.bias_sd) ** 2 + ((fit.scale - 1) / rules.scale_sd) ** 2)) / 2


def test_the_objective_is_the_density_of_the_ratings_and_the_priors() -> None:
    # run to the end, mean and spread of the truths follow from the truths; the prior of the noise is made to vanish
    ratings, rules = (
        drawn(4, units=30, raters=4),
        RaterBiasRules(noise_ratings=1e-9, tolerance=0.0, max_iterations=5000),
    )
    fit = fitted(ratings, rules)
    assert fit.objective[-1] == pytest.approx(plain_objective(ratings, fit, rules), abs=1e-4)


@settings(deadline=None, max_examples=100)
@given(ratings=RATINGS, rules=RULES)
def test_the_objective_never_falls(ratings: Ratings, rules: RaterBiasRules) -> None:
    course = fitted(ratings, rules).objective
    assert (np.diff(course) >= -1e-12 * ratings.level.size).all()


def test_holding_the_means_leaves_the_ratings_as_likely() -> None:
    rules = RaterBiasRules(noise_ratings=3.0)
    ratings, rng = drawn(4, units=30, raters=4), np.random.default_rng(0)
    data = rater_bias._prepared(count_votes(ratings.level, unit=ratings.unit, rater=ratings.rater, num_levels=LEVELS))
    model = rater_bias._Model(
        bias=rng.normal(1.0, 1.0, 4),
        scale=rng.uniform(0.5, 2.5, 4),
        variance=rng.uniform(0.1, 1.0, 4),
        truth_mean=0.7,
        truth_variance=1.3,
    )
    likelihoods = [
        rater_bias._expected(data, each, rules=rules)[1] - rater_bias._log_prior(data, each, rules=rules)
        for each in (model, rater_bias._identified(model))
    ]
    assert likelihoods[0] == pytest.approx(likelihoods[1], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(ratings=RATINGS, rules=RULES)
def test_biases_and_scales_have_their_means_weighted_by_scale(ratings: Ratings, rules: RaterBiasRules) -> None:
    fit = fitted(ratings, rules)
    weights = fit.scale / fit.scale.sum()
    assert weights @ fit.bias == pytest.approx(0.0, abs=1e-9)
    assert weights @ fit.scale == pytest.approx(1.0, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(ratings=RATINGS, rules=RULES, seed=st.integers(0, 100))
def test_no_order_of_ratings_raters_and_units_changes_a_bit(ratings: Ratings, rules: RaterBiasRules, seed: int) -> None:
    rng = np.random.default_rng(seed)
    new_unit, new_rater = (rng.permutation(int(each.max()) + 1) for each in (ratings.unit, ratings.rater))
    shuffled = rng.permutation(ratings.level.size)
    order = shuffled[np.argsort(new_unit[ratings.unit[shuffled]], kind="stable")]
    moved = Ratings(ratings.level[order], new_unit[ratings.unit[order]], new_rater[ratings.rater[order]])
    one, other = fitted(ratings, rules), fitted(moved, rules)
    np.testing.assert_array_equal(one.objective, other.objective)
    np.testing.assert_array_equal(one.truth, other.truth[new_unit])
    np.testing.assert_array_equal(one.truth_sd, other.truth_sd[new_unit])
    for name in ("bias", "scale", "noise"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name)[new_rater])


@settings(deadline=None, max_examples=40)
@given(ratings=RATINGS)
def test_a_scale_turned_around_gives_truths_and_biases_turned_around(ratings: Ratings) -> None:
    turned = Ratings(LEVELS - 1 - ratings.level, ratings.unit, ratings.rater)
    rules = RaterBiasRules(tolerance=0.0, max_iterations=10)
    one, other = fitted(ratings, rules), fitted(turned, rules)
    np.testing.assert_allclose(other.truth, LEVELS - 1 - one.truth, atol=1e-9)
    np.testing.assert_allclose(other.bias, -one.bias, atol=1e-9)
    np.testing.assert_allclose(other.scale, one.scale, atol=1e-9)


def two_lenient_raters(*, units: int, few: int) -> Ratings:
    """Return ratings by three even raters, one a level above them on all units and one on the first `few` only."""
    truth = np.random.default_rng(0).integers(0, LEVELS - 1, units)
    rows = [
        (level + int(rater >= 3), unit, rater)
        for unit, level in enumerate(truth.tolist())
        for rater in range(5)
        if rater < 4 or unit < few
    ]
    return Ratings(*np.array(rows).T)


def test_a_rater_with_few_ratings_is_drawn_towards_no_bias() -> None:
    fit = fitted(two_lenient_raters(units=200, few=2))
    assert fit.bias[3] - fit.bias[0] == pytest.approx(1.0, abs=0.02)
    assert 0.2 < fit.bias[4] - fit.bias[0] < 0.95


def test_tighter_priors_draw_a_rater_closer() -> None:
    ratings = two_lenient_raters(units=200, few=2)
    bias = [fitted(ratings, RaterBiasRules(bias_sd=sd)).bias[4] for sd in (0.1, 0.5, 2.0)]
    assert 0.0 < bias[0] < bias[1] < bias[2]


def test_noise_is_drawn_towards_the_usual_difference_within_units() -> None:
    told = RaterBiasRules(noise_ratings=1e12)
    # one degree of freedom within each unit: (1 + 1) / 2 and 0; rated once each, half of the variance of the ratings
    twice = fitted(Ratings(np.array([0, 2, 3, 3]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])), told)
    once = fitted(Ratings(np.array([0, 4, 2, 2]), np.arange(4), np.array([0, 1, 0, 1])), told)
    np.testing.assert_allclose(twice.noise, 1.0)
    np.testing.assert_allclose(once.noise, 1.0)


def test_nobody_is_taken_to_rate_against_the_truth() -> None:
    truth = np.random.default_rng(6).integers(0, LEVELS, 100)
    level = np.stack([truth, truth, LEVELS - 1 - truth], axis=1)
    fit = fitted(Ratings(level.ravel(), np.repeat(np.arange(100), 3), np.tile(np.arange(3), 100)))
    assert fit.scale[2] == 0.0
    assert (np.rint(fit.truth) == truth).all()


def test_a_unit_with_more_ratings_is_known_better() -> None:
    fit = fitted(two_lenient_raters(units=20, few=5))
    assert (fit.truth_sd[:5] < fit.truth_sd[5]).all()


@pytest.mark.parametrize("level", [[3, 3, 3, 3], [0, 4, 2, 2]])
def test_raters_who_all_agree_or_rate_alone_have_no_bias(level: list[int]) -> None:
    alone = fitted(Ratings(np.array(level), np.arange(4), np.zeros(4, dtype=np.int64)))
    assert alone.bias[0] == pytest.approx(0.0, abs=1e-9)
    agreed = fitted(Ratings(np.repeat(level, 2), np.repeat(np.arange(4), 2), np.tile(np.arange(2), 4)))
    np.testing.assert_allclose(agreed.bias, 0.0, atol=1e-9)


def test_a_fit_says_whether_tolerance_or_iterations_ended_it() -> None:
    ratings = drawn(3, units=200, raters=6)
    cut = fitted(ratings, RaterBiasRules(max_iterations=2, tolerance=0.0))
    whole = fitted(ratings, RaterBiasRules(tolerance=1e-3))
    assert (cut.converged, cut.objective.size) == (False, 3)
    gains = np.diff(whole.objective) / ratings.level.size
    assert whole.converged
    assert gains[-1] <= 1e-3
    assert (gains[:-1] > 1e-3).all()


@pytest.mark.parametrize(
    "wrong",
    [{"bias_sd": 0.0}, {"scale_sd": -1.0}, {"noise_ratings": 0.0}, {"tolerance": -1.0}, {"max_iterations": 0}],
)
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        RaterBiasRules(**wrong)  # type: ignore[arg-type]
