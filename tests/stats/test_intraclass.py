import numpy as np
import pytest
from hypothesis import given
from rating_examples import FEW, SIX_TARGETS, UNITS, counts_of

from steersman.stats.counts import count_tables
from steersman.stats.intraclass import NO_VARIANCE, ONE_UNIT, SAME_MEANS, intraclass_mean, intraclass_single
from steersman.stats.kappa import NO_PAIR


def test_intraclass_correlations_are_those_of_shrout_and_fleiss() -> None:
    """Shrout and Fleiss (1979), table 4: ICC(1,1) = .17 and ICC(1,4) = .44."""
    tables = count_tables(counts_of(SIX_TARGETS, levels=11))
    assert intraclass_single(tables).value == pytest.approx(0.17, abs=5e-3)
    assert intraclass_mean(tables).value == pytest.approx(0.44, abs=5e-3)


@FEW
@given(units=UNITS)
def test_unequal_units_have_the_correlations_of_their_analysis_of_variance(units: list[list[int]]) -> None:
    sizes, ratings = np.array([len(unit) for unit in units]), np.concatenate(units)
    means = np.array([np.mean(unit) for unit in units])
    if len(units) < 2 or ratings.size == len(units) or np.ptp(means) < 1e-9:
        return
    between = float(sizes @ (means - ratings.mean()) ** 2) / (len(units) - 1)
    within = float(((ratings - np.repeat(means, sizes)) ** 2).sum()) / (ratings.size - len(units))
    mean_size = (ratings.size - (sizes**2).sum() / ratings.size) / (len(units) - 1)

    tables = count_tables(counts_of(units))

    single = (between - within) / (between + (mean_size - 1) * within)
    assert intraclass_single(tables).value == pytest.approx(single, rel=1e-6, abs=1e-9)
    assert intraclass_mean(tables).value == pytest.approx((between - within) / between, rel=1e-6, abs=1e-9)


def test_the_mean_of_three_ratings_follows_spearman_and_brown() -> None:
    tables = count_tables(counts_of([[0, 1, 1], [3, 4, 2], [2, 2, 1], [4, 4, 4]]))
    single, mean = intraclass_single(tables).value, intraclass_mean(tables).value
    assert single is not None
    assert mean == pytest.approx(3 * single / (1 + 2 * single))


def test_units_that_all_have_one_mean_have_no_correlation_of_means() -> None:
    """MSB = 0 and MSW = 2: a single rating has (0 - 2) / (0 + (2 - 1) 2) = -1, a mean has -2 / 0."""
    tables = count_tables(counts_of([[1, 3], [1, 3], [3, 1]]))
    assert intraclass_single(tables).value == pytest.approx(-1.0)
    assert intraclass_mean(tables).reason == SAME_MEANS


def test_equal_means_are_equal_in_spite_of_rounding() -> None:
    """One unit of 3 ratings, three of 6 and two of 9 have the mean 4/3, which no floating point number is.

    Their sums of squares then differ by rounding, and MSW over that would be a correlation of -10^15.
    """
    triple = [0, 0, 4]
    tables = count_tables(counts_of([triple, *[triple * 2] * 3, *[triple * 3] * 2]))
    assert intraclass_mean(tables).reason == SAME_MEANS


@pytest.mark.parametrize(
    ("units", "reason"), [([[1], [2]], NO_PAIR), ([[1, 2]], ONE_UNIT), ([[3, 3], [3, 3, 3]], NO_VARIANCE)]
)
def test_what_has_no_correlation_says_why(units: list[list[int]], reason: str) -> None:
    tables = count_tables(counts_of(units))
    assert intraclass_single(tables).reason == reason
    assert intraclass_mean(tables).reason == reason
