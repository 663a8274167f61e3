"""The standard error of kappa by the delta method, against finite differences and against drawing the groups again."""

import numpy as np
import pytest

from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables
from steersman.stats.influence import kappa_group_sd
from steersman.stats.kappa import Weights


def counts_of(rng: np.random.Generator, *, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (U, 5) and groups (U,): two units a group with a value in common, 1 to 5 ratings each."""
    units = 2 * groups
    value = np.repeat(rng.normal(2.0, 1.2, size=groups), 2)
    scores = np.clip(np.rint(value[:, None] + rng.normal(0.0, 0.9, size=(units, 5))), 0, 4).astype(np.int64)
    is_given = np.arange(5) < rng.integers(1, 6, size=(units, 1))
    counts = ((scores[:, :, None] == np.arange(5)) & is_given[:, :, None]).sum(axis=1)
    return counts, np.repeat(np.arange(groups), 2)


def kappa(counts: np.ndarray, *, weights: Weights) -> float:
    value = pooled_kappa(count_tables(counts), weights=weights).value
    assert value is not None
    return value


@pytest.mark.parametrize("weights", ["quadratic", "linear", "unweighted"])
def test_influences_are_the_slopes_of_kappa_in_the_weight_of_each_group(weights: Weights) -> None:
    """A group repeated among k copies of all of them changes kappa by its slope / k, in the limit."""
    counts, groups = counts_of(np.random.default_rng(0), groups=12)
    copies = 20_000
    slopes = []
    for group in range(12):
        times = np.full(groups.size, copies)
        times[groups == group] += 1
        changed = kappa(np.repeat(counts, times, axis=0), weights=weights)
        slopes.append(copies * (changed - kappa(counts, weights=weights)))
    expected = np.sqrt(12 * 12 / 11 * np.sum(np.square(slopes)))
    assert kappa_group_sd(counts, unit_groups=groups, weights=weights) == pytest.approx(expected, rel=1e-3)


def test_the_standard_error_is_how_much_kappa_varies_from_sample_to_sample() -> None:
    rng = np.random.default_rng(1)
    found, said = [], []
    for _ in range(600):
        counts, groups = counts_of(rng, groups=150)
        found.append(kappa(counts, weights="quadratic"))
        said.append(kappa_group_sd(counts, unit_groups=groups, weights="quadratic"))
    # the standard deviation of 600 values is known to 1 in sqrt(1200)
    assert np.mean(np.array(said, dtype=float)) / np.sqrt(150) == pytest.approx(np.std(found), rel=4 / np.sqrt(1200))


def test_units_in_any_order_and_groups_by_any_name_give_the_same() -> None:
    counts, groups = counts_of(np.random.default_rng(2), groups=30)
    order = np.random.default_rng(3).permutation(groups.size)
    plain = kappa_group_sd(counts, unit_groups=groups, weights="quadratic")
    other = kappa_group_sd(counts[order], unit_groups=7 * groups[order] + 5, weights="quadratic")
    assert other == pytest.approx(plain, rel=1e-12)


def test_a_unit_with_one_rating_changes_nothing_but_the_number_of_groups() -> None:
    """With n groups more that add nothing, s^2 grows as n^2 / (n - 1) for the same sum of squares."""
    counts, groups = counts_of(np.random.default_rng(4), groups=20)
    lone = np.concatenate([counts, [[0, 0, 0, 0, 1]]])
    before = kappa_group_sd(counts, unit_groups=groups, weights="quadratic")
    after = kappa_group_sd(lone, unit_groups=np.append(groups, 20), weights="quadratic")
    assert before is not None
    assert after == pytest.approx(before * np.sqrt((21**2 / 20) / (20**2 / 19)), rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "groups"),
    [([[1, 1, 0], [0, 2, 1]], [4, 4]), ([[0, 3, 0], [0, 2, 0]], [0, 1]), ([[0, 1, 0], [1, 0, 0]], [0, 1])],
)
def test_one_group_one_level_or_no_pair_have_no_standard_error(counts: list[list[int]], groups: list[int]) -> None:
    assert kappa_group_sd(counts, unit_groups=groups, weights="quadratic") is None


def test_each_unit_needs_a_group() -> None:
    with pytest.raises(ValueError, match="2 units and 1 groups"):
        kappa_group_sd([[1, 1], [2, 0]], unit_groups=[0], weights="quadratic")
