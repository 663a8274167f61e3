import numpy as np
import numpy.typing as npt
import pytest
from rating_examples import assert_same_counts, counts_of

from steersman.stats import resampling
from steersman.stats.arrays import AnyInts, FloatArray, IntArray
from steersman.stats.coefficients import gwet_coefficients, krippendorff_alphas, pooled_kappa, pooled_kappas
from steersman.stats.counts import CountTables, TableStack, count_tables
from steersman.stats.intraclass import intraclass_singles
from steersman.stats.resampling import percentile_interval, resample_groups


def noisy_counts(*, groups: int, seed: int, raters: int = 3) -> tuple[IntArray, IntArray]:
    """Return counts of two units per group, whose ratings are one off the group's truth at most, and the groups."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, 5, groups), 2)
    levels = np.clip(truth[:, None] + rng.integers(-1, 2, (2 * groups, raters)), 0, 4)
    return counts_of(levels.tolist()), np.repeat(np.arange(groups), 2)


def kappas_of(counts: AnyInts, groups: npt.ArrayLike, *, seed: int = 0, rounds: int = 200) -> FloatArray:
    rng = np.random.default_rng(seed)
    return pooled_kappas(resample_groups(counts, unit_groups=groups, rng=rng, rounds=rounds), weights="quadratic")


def test_the_interval_is_that_of_drawing_whole_groups_one_by_one() -> None:
    counts, groups = noisy_counts(groups=60, seed=3)
    rng = np.random.default_rng(3)
    plain = np.empty(4000)
    for place in range(plain.size):
        drawn = np.concatenate([np.flatnonzero(groups == group) for group in rng.integers(0, 60, 60)])
        plain[place] = pooled_kappa(count_tables(counts[drawn]), weights="quadratic").value
    expected = percentile_interval(plain)

    interval = percentile_interval(kappas_of(counts, groups, seed=4, rounds=4000))

    np.testing.assert_allclose(np.array(interval), np.array(expected), atol=0.01)


def test_each_resample_is_the_tables_of_as_many_groups() -> None:
    counts, groups = noisy_counts(groups=30, seed=1)
    stack = resample_groups(counts, unit_groups=groups, rng=np.random.default_rng(0), rounds=50)
    assert (stack.units[:, 3] == 60).all()
    assert (stack.totals.sum(axis=(1, 2)) == 180).all()
    np.testing.assert_array_equal(stack.pairs.sum(axis=3), stack.totals * np.arange(-1, 3)[:, None])


def test_one_kind_of_group_always_gives_the_tables_themselves() -> None:
    counts = counts_of([[0, 1, 1], [3, 4], [4, 3], [1, 0, 1]])
    stack = resample_groups(counts, unit_groups=[0, 0, 1, 1], rng=np.random.default_rng(0), rounds=3)
    for place in range(3):
        assert_same_counts(_table(stack, place), count_tables(counts))


def _table(stack: TableStack, place: int) -> CountTables:
    arrays = (stack.pairs, stack.totals, stack.units)
    return CountTables(*(array[place].astype(np.int64) for array in arrays))


@pytest.mark.parametrize("most_kinds", [0, 2048])
def test_neither_order_nor_names_nor_unrated_units_move_the_last_bit(
    most_kinds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "_MOST_KINDS", most_kinds)
    counts, groups = noisy_counts(groups=200, seed=1)
    mixed = np.random.default_rng(9).permutation(groups.size)
    unrated = np.concatenate([counts[mixed], np.zeros((3, 5), dtype=np.int64)])
    names = np.concatenate([10_000_000 - 7 * groups[mixed], [1, 2, 3]])
    np.testing.assert_array_equal(kappas_of(unrated.astype(np.int8), names), kappas_of(counts, groups))


def test_narrow_integers_do_not_overflow() -> None:
    counts = np.array([[100, 27], [90, 37], [127, 0]])
    narrow = kappas_of(counts.astype(np.int8), [0, 1, 2])
    np.testing.assert_array_equal(narrow, kappas_of(counts, [0, 1, 2]))


@pytest.mark.parametrize("raters", [2, 3, 5])
def test_the_normal_limit_gives_the_interval_of_the_exact_draw(raters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends of intervals may differ by a tenth of a standard deviation.

    With 20,000 rounds an end of a normal 95 % interval has a standard error of 2.7 / sqrt(20,000) = 0.02 standard
    deviations, so that a tenth is more than three standard errors of the difference of two.
    """
    counts, groups = noisy_counts(groups=4000, seed=2, raters=raters)
    intervals = []
    for most_kinds in (10**9, 0):
        monkeypatch.setattr(resampling, "_MOST_KINDS", most_kinds)
        rng = np.random.default_rng(most_kinds)
        stack = resample_groups(counts, unit_groups=groups, rng=rng, rounds=20_000)
        values = (
            pooled_kappas(stack, weights="quadratic"),
            krippendorff_alphas(stack, metric="ordinal"),
            gwet_coefficients(stack, weights="unweighted"),
            intraclass_singles(stack),
        )
        intervals.append([(np.array(percentile_interval(each)), each.std()) for each in values])
    for (exact, spread), (normal, _) in zip(*intervals, strict=True):
        np.testing.assert_allclose(normal, exact, atol=spread / 10)


@pytest.mark.parametrize(("raters", "is_whole"), [(2, True), (9, False)])
def test_few_kinds_are_drawn_as_they_are_and_many_from_the_normal_limit(raters: int, is_whole: bool) -> None:
    """Random ratings of two units make at most 15 * 16 / 2 = 120 kinds of groups by 2 raters, thousands by 9.

    Sums of drawn groups are whole numbers, draws from a normal distribution are not.
    """
    levels = np.random.default_rng(2).integers(0, 5, (8000, raters))
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(4000), 2)
    totals = resample_groups(counts_of(levels.tolist()), unit_groups=groups, rng=rng, rounds=5).totals
    assert bool((totals == np.rint(totals)).all()) == is_whole


@pytest.mark.parametrize("units", [[], [[]], [[0, 1], [3, 4], []]])
def test_fewer_than_two_groups_have_no_interval(units: list[list[int]]) -> None:
    groups = [7, 7, 8][: len(units)]
    assert percentile_interval(kappas_of(counts_of(units), groups)) is None


def test_groups_that_all_agree_on_one_level_have_no_interval() -> None:
    assert percentile_interval(kappas_of(counts_of([[3, 3], [3, 3]]), [0, 1])) is None


def test_units_and_groups_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match="got 1 units and 2 groups"):
        kappas_of(counts_of([[0, 1]]), [0, 1])
