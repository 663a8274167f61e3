"""Dawid-Skene against a plain loop, and what no order of the ratings may change."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.stats.dawid_skene import DawidSkeneFit, DawidSkeneRules, fit_dawid_skene, pseudo_ratings

LEVELS = 3


@dataclass(frozen=True, slots=True)
class Ratings:
    level: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    rater: npt.NDArray[np.int64]


def fitted(ratings: Ratings, rules: DawidSkeneRules, *, levels: int = LEVELS) -> DawidSkeneFit:
    return fit_dawid_skene(ratings.level, unit=ratings.unit, rater=ratings.rater, num_levels=levels, rules=rules)


def drawn(seed: int, *, units: int, raters: int) -> Ratings:
    """Return ratings of every unit by three raters, rater 0 nearly always right, the last one seldom."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, LEVELS, units)
    rater = rng.permuted(np.tile(np.arange(raters), (units, 1)), axis=1)[:, :3]
    rater[0], rater[1] = [0, 1, 2], [raters - 3, raters - 2, raters - 1]
    is_right = rng.random(rater.shape) < np.linspace(0.95, 0.2, raters)[rater]
    level = np.where(is_right, truth[:, None], rng.integers(0, LEVELS, rater.shape))
    return Ratings(level.ravel(), np.repeat(np.arange(units), 3), rater.ravel())


RATINGS = st.builds(drawn, st.integers(0, 10_000), units=st.integers(2, 40), raters=st.integers(3, 6))
RULES = st.builds(
    DawidSkeneRules,
    smoothing=st.sampled_from([0.0, 0.5, 10.0]),
    closeness=st.sampled_from([0.0, 0.3, 1.0]),
    tolerance=st.just(0.0),
    max_iterations=st.integers(1, 30),
    longest_step=st.sampled_from([1.0, 4.0, 100.0]),
)


def plain_fit(ratings: Ratings, rules: DawidSkeneRules) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Return posterior and log-likelihoods by the formulas of the paper, one rating at a time."""
    num_units, num_raters = ratings.unit.max() + 1, ratings.rater.max() + 1
    triples = list(zip(ratings.level, ratings.unit, ratings.rater, strict=True))
    posterior = np.zeros((num_units, LEVELS))
    for level, unit, _ in triples:
        posterior[unit, level] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    weights = np.array([[rules.closeness ** abs(j - k) for k in range(LEVELS)] for j in range(LEVELS)])
    pseudo = rules.smoothing * weights / weights.sum(axis=1, keepdims=True)
    course = []
    for _ in range(rules.max_iterations):
        prior = posterior.mean(axis=0)
        counts = np.zeros((num_raters, LEVELS, LEVELS)) + pseudo
        for level, unit, rater in triples:
            counts[rater, :, level] += posterior[unit]
        rows = counts.sum(axis=2, keepdims=True)
        confusion = np.divide(counts, rows, out=np.full_like(counts, 1 / LEVELS), where=rows > 0)
        joint = np.tile(prior, (num_units, 1))
        for level, unit, rater in triples:
            joint[unit] *= confusion[rater, :, level]
        posterior = joint / joint.sum(axis=1, keepdims=True)
        known = (np.broadcast_to(pseudo, confusion.shape) > 0) & (confusion > 0)
        course.append(
            float(np.log(joint.sum(axis=1)).sum())
            + float((np.broadcast_to(pseudo, confusion.shape)[known] * np.log(confusion[known])).sum())
        )
    return posterior, course


@settings(deadline=None, max_examples=60)
@given(ratings=RATINGS, rules=RULES)
def test_a_fit_is_that_of_a_plain_loop(ratings: Ratings, rules: DawidSkeneRules) -> None:
    # with zeros in the rows, evidence smaller than the rounding may decide a row later on
    rules = rules if pseudo_ratings(LEVELS, rules=rules).all() else replace(rules, max_iterations=2)
    rules = replace(rules, longest_step=1.0)
    posterior, course = plain_fit(ratings, rules)
    fit = fitted(ratings, rules)
    done = fit.log_likelihood.size
    np.testing.assert_allclose(fit.log_likelihood, course[:done], rtol=1e-9, atol=1e-9)
    if done == rules.max_iterations:
        np.testing.assert_allclose(fit.posterior, posterior, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(ratings=RATINGS, rules=RULES)
def test_the_log_likelihood_never_falls(ratings: Ratings, rules: DawidSkeneRules) -> None:
    course = fitted(ratings, rules).log_likelihood
    assert (np.diff(course) >= -1e-12 * ratings.level.size).all()


def moved(ratings: Ratings, seed: int) -> tuple[Ratings, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ratings with units and raters numbered anew and in another order, and the new numbers."""
    rng = np.random.default_rng(seed)
    new_unit, new_rater = (rng.permutation(int(each.max()) + 1) for each in (ratings.unit, ratings.rater))
    shuffled = rng.permutation(ratings.level.size)
    order = shuffled[np.argsort(new_unit[ratings.unit[shuffled]], kind="stable")]
    found = Ratings(ratings.level[order], new_unit[ratings.unit[order]], new_rater[ratings.rater[order]])
    return found, new_unit, new_rater


def assert_no_bit_changes(ratings: Ratings, rules: DawidSkeneRules, seed: int) -> None:
    other, new_unit, new_rater = moved(ratings, seed)
    one, two = fitted(ratings, rules), fitted(other, rules)
    np.testing.assert_array_equal(one.log_likelihood, two.log_likelihood)
    np.testing.assert_array_equal(one.posterior, two.posterior[new_unit])
    np.testing.assert_array_equal(one.confusion, two.confusion[new_rater])
    np.testing.assert_array_equal(one.prior, two.prior)


@settings(deadline=None, max_examples=60)
@given(ratings=RATINGS, rules=RULES, seed=st.integers(0, 100))
def test_no_order_of_ratings_raters_and_units_changes_a_bit(
    ratings: Ratings, rules: DawidSkeneRules, seed: int
) -> None:
    assert_no_bit_changes(ratings, rules, seed)


def test_no_order_changes_a_bit_of_many_units_either() -> None:
    assert_no_bit_changes(drawn(1, units=40_000, raters=6), DawidSkeneRules(smoothing=1.0, max_iterations=5), 2)


def test_stretched_steps_end_where_plain_ones_do_and_sooner() -> None:
    ratings = drawn(3, units=400, raters=6)
    plain = fitted(ratings, DawidSkeneRules(smoothing=10.0, tolerance=1e-9, max_iterations=3000))
    stretched = fitted(ratings, DawidSkeneRules(smoothing=10.0, tolerance=1e-9, max_iterations=3000, longest_step=4.0))
    np.testing.assert_allclose(stretched.posterior, plain.posterior, atol=1e-3)
    assert plain.converged
    assert stretched.converged
    assert stretched.log_likelihood.size < plain.log_likelihood.size / 2


@settings(deadline=None, max_examples=40)
@given(ratings=RATINGS)
def test_a_scale_turned_around_gives_the_posterior_turned_around(ratings: Ratings) -> None:
    rules = DawidSkeneRules(smoothing=2.0, closeness=0.4, max_iterations=10)
    turned = Ratings(LEVELS - 1 - ratings.level, ratings.unit, ratings.rater)
    np.testing.assert_allclose(fitted(turned, rules).posterior, fitted(ratings, rules).posterior[:, ::-1], atol=1e-9)


def test_pseudo_ratings_fall_with_the_distance_from_the_true_level() -> None:
    found = pseudo_ratings(3, rules=DawidSkeneRules(smoothing=7.0, closeness=0.5))
    np.testing.assert_allclose(found[0], [7 * 4 / 7, 7 * 2 / 7, 7 * 1 / 7])
    np.testing.assert_allclose(found[1], [7 * 1 / 4, 7 * 2 / 4, 7 * 1 / 4])
    assert pseudo_ratings(2, rules=DawidSkeneRules(smoothing=3.0, closeness=0.0)).tolist() == [[3.0, 0.0], [0.0, 3.0]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothing": -1.0},
        {"closeness": 1.1},
        {"closeness": -0.1},
        {"tolerance": -1.0},
        {"max_iterations": 0},
        {"longest_step": 0.5},
    ],
)
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        DawidSkeneRules(**wrong)  # type: ignore[arg-type]


def test_the_posterior_of_many_units_is_a_distribution() -> None:
    fit = fitted(drawn(1, units=3000, raters=20), DawidSkeneRules(smoothing=1.0))
    np.testing.assert_allclose(fit.posterior.sum(axis=1), 1.0, rtol=1e-9)
    assert math.isclose(fit.prior.sum(), 1.0)
