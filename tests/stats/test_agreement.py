import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from steersman.stats.agreement import (
    NO_PAIR,
    ONE_LEVEL,
    Metric,
    coincidence_table,
    confusion_table,
    kappa_interval,
    krippendorff_alpha,
    quadratic_kappa,
)

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), the example with 12 units and 4 observers.
PUBLISHED = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]
UNITS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=20)


def counts_of(units: list[list[int]], *, levels: int = 5) -> npt.NDArray[np.int64]:
    return np.array([np.bincount(unit, minlength=levels) for unit in units], dtype=np.int64)


def test_two_raters_reach_the_kappa_of_the_specification() -> None:
    first, second = [0, 1, 2, 3, 4, 4, 3, 2], [0, 2, 2, 3, 4, 3, 3, 0]
    kappa = quadratic_kappa(confusion_table(first, second, levels=5)).value
    assert kappa == pytest.approx(0.794872, abs=5e-7)
    assert kappa == pytest.approx(cohen_kappa_score(first, second, weights="quadratic"))


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_four_observers_is_the_published_one(metric: Metric, published: float) -> None:
    alpha = krippendorff_alpha(coincidence_table(counts_of(PUBLISHED, levels=6)), metric=metric).value
    assert alpha == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.6914), ("ordinal", 0.8067), ("interval", 0.8108), ("ratio", 0.8089)]
)
def test_alpha_of_three_coders_with_gaps_is_the_published_one(metric: Metric, published: float) -> None:
    units = [[1], [], [2, 2], [1, 1], [3, 3], [3, 3, 4], [4, 4, 4], [1, 3], [2, 2], [1, 1], [1, 1], [3, 3], [3, 3]]
    units = [*units, [], [3, 4]]
    alpha = krippendorff_alpha(coincidence_table(counts_of(units, levels=5)), metric=metric).value
    assert alpha == pytest.approx(published, abs=5e-5)


@settings(deadline=None, max_examples=60)
@given(units=UNITS)
def test_pooled_kappa_is_that_of_all_ordered_pairs_weighted_by_krippendorff(units: list[list[int]]) -> None:
    pairs = [
        (a, b, 1 / (len(unit) - 1))
        for unit in units
        for (i, a), (j, b) in itertools.product(enumerate(unit), repeat=2)
        if i != j
    ]
    kappa = quadratic_kappa(coincidence_table(counts_of(units)))
    if len({a for a, _, _ in pairs}) < 2:
        assert kappa.value is None
        return
    first, second, weights = zip(*pairs, strict=True)
    judge = cohen_kappa_score(first, second, weights="quadratic", sample_weight=weights, labels=range(5))
    assert kappa.value == pytest.approx(judge, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(units=UNITS, cut=st.integers(0, 20))
def test_tables_of_two_parts_add_up_to_the_table_of_the_whole(units: list[list[int]], cut: int) -> None:
    counts = counts_of(units)
    parts = coincidence_table(counts[:cut]) + coincidence_table(counts[cut:])
    np.testing.assert_allclose(coincidence_table(counts), parts, atol=1e-12)


def test_a_single_level_has_no_kappa_and_says_why() -> None:
    table = coincidence_table(counts_of([[3, 3], [3, 3, 3]]))
    assert quadratic_kappa(table).reason == ONE_LEVEL
    assert krippendorff_alpha(table, metric="ordinal").value is None


def test_units_with_one_rating_have_no_kappa_and_say_why() -> None:
    assert quadratic_kappa(coincidence_table(counts_of([[3], [1]]))).reason == NO_PAIR


def test_raters_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        confusion_table([1, 2], [1], levels=5)


def test_the_interval_is_that_of_drawing_whole_groups_one_by_one() -> None:
    rng = np.random.default_rng(3)
    truth = np.repeat(rng.integers(0, 5, 60), 2)
    units = np.clip(truth[:, None] + rng.integers(-1, 2, (120, 3)), 0, 4)
    counts, groups = counts_of(units.tolist()), np.repeat(np.arange(60), 2)
    tables = np.array([coincidence_table(counts[groups == group]) for group in range(60)])
    plain = [quadratic_kappa(tables[rng.integers(0, 60, 60)].sum(axis=0)).value for _ in range(4000)]
    expected = np.quantile(np.array(plain, dtype=np.float64), (0.025, 0.975))

    interval = kappa_interval(counts, unit_groups=groups, rng=np.random.default_rng(4), rounds=4000)

    np.testing.assert_allclose(np.array(interval), expected, atol=0.01)


def test_the_order_of_units_inside_a_group_does_not_move_the_interval() -> None:
    counts = counts_of([[0, 1, 1], [3, 4, 4], [2, 2, 0], [1, 1, 1]])
    groups = np.array([0, 0, 1, 1])
    swapped = kappa_interval(counts[[1, 0, 3, 2]], unit_groups=groups, rng=np.random.default_rng(0), rounds=200)
    assert kappa_interval(counts, unit_groups=groups, rng=np.random.default_rng(0), rounds=200) == swapped


def test_one_group_has_no_interval() -> None:
    counts = counts_of([[0, 1], [3, 4], []])
    groups = np.array([7, 7, 8])
    assert kappa_interval(counts, unit_groups=groups, rng=np.random.default_rng(0), rounds=100) is None


def test_groups_that_all_agree_on_one_level_have_no_interval() -> None:
    counts = counts_of([[3, 3], [3, 3]])
    assert kappa_interval(counts, unit_groups=np.array([0, 1]), rng=np.random.default_rng(0), rounds=100) is None
