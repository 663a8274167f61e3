"""The interval of a share."""

import pytest
from scipy.stats import binomtest

from steersman.stats.shares import wilson_interval


@pytest.mark.parametrize(("won", "count"), [(0, 1), (1, 1), (3, 10), (10, 10), (61, 85)])
def test_it_is_the_interval_that_scipy_gives(won: int, count: int) -> None:
    expected = binomtest(won, count).proportion_ci(method="wilson")
    assert wilson_interval(won / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("share", "count"), [(0.5, 0), (1.5, 3), (-0.1, 3)])
def test_no_trials_and_no_share_are_refused(share: float, count: int) -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        wilson_interval(share, count)
