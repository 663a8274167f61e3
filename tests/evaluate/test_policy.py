import numpy as np
import pytest
from scipy.stats import binomtest

from steersman.errors import DataError
from steersman.evaluate.policy import compare_rewards


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_means_and_their_difference_are_those_of_all_prompts() -> None:
    before, after = [1.0, 2.0, 3.0], [2.0, 2.0, 5.0]
    found = compare_rewards(before, after, rng=rng(), rounds=100)
    assert found.before.estimate == pytest.approx(2.0)
    assert found.after.estimate == pytest.approx(3.0)
    assert found.difference.estimate == pytest.approx(1.0)


def test_a_tie_counts_half_a_win() -> None:
    # win, tie, win, loss
    found = compare_rewards([0, 0, 0, 0], [1, 0, 9, -1], rng=rng(), rounds=100)
    assert found.win_share.estimate == (1 + 0.5 + 1 + 0) / 4
    assert found.ties == 1


@pytest.mark.parametrize("change", [1.0, -1.0])
def test_a_policy_that_wins_or_loses_everywhere_has_the_exact_interval_of_a_share(change: float) -> None:
    before = np.array([0.0, 5.0, 2.0, 7.0])
    found = compare_rewards(before, before + change, rng=rng(), rounds=100).win_share
    exact = binomtest(4 if change > 0 else 0, 4).proportion_ci(0.95, method="exact")
    assert [found.low, found.high] == pytest.approx([exact.low, exact.high])


def test_a_policy_against_itself_wins_half_of_nothing() -> None:
    found = compare_rewards([1, 5, 2], [1, 5, 2], rng=rng(), rounds=100)
    assert (found.win_share.low, found.win_share.high, found.ties) == (0.5, 0.5, 3)


def test_the_difference_is_resampled_per_prompt() -> None:
    """Every reward rises by exactly one: certain, however far the prompts lie apart."""
    before = np.array([0.0, 100.0, -50.0, 7.0])
    found = compare_rewards(before, before + 1, rng=rng(), rounds=100)
    assert (found.difference.low, found.difference.high) == (1.0, 1.0)
    assert found.before.high > found.before.low


def test_exchanging_the_policies_mirrors_the_result() -> None:
    first, second = np.random.default_rng(4).normal(size=(2, 20))
    there = compare_rewards(first, second, rng=rng(), rounds=100)
    back = compare_rewards(second, first, rng=rng(), rounds=100)
    assert back.difference.estimate == pytest.approx(-there.difference.estimate)
    assert back.win_share.estimate == pytest.approx(1 - there.win_share.estimate)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])])
def test_shapes_that_cannot_be_compared_are_refused(before: object, after: object) -> None:
    with pytest.raises(ValueError, match="equal non-empty vectors"):
        compare_rewards(np.array(before), np.array(after), rng=rng(), rounds=10)


def test_a_reward_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        compare_rewards([1.0], [float("nan")], rng=rng(), rounds=10)
