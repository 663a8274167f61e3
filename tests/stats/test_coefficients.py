import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW, FIVE_OBSERVERS, FOUR_OBSERVERS, FOURTEEN_RATERS, THREE_CODERS, UNITS, counts_of
from sklearn.metrics import cohen_kappa_score

from steersman.stats.coefficients import (
    Metric,
    Pairing,
    fleiss_kappa,
    gwet_coefficient,
    krippendorff_alpha,
    krippendorff_alphas,
    pooled_kappa,
)
from steersman.stats.counts import CountTables, TableStack, count_tables, stacked
from steersman.stats.intraclass import intraclass_mean, intraclass_single
from steersman.stats.kappa import NO_PAIR, ONE_LEVEL, Coefficient, Weights

WEIGHTS: list[Weights] = ["quadratic", "linear", "unweighted"]
METRICS: list[Metric] = ["nominal", "ordinal", "interval", "ratio"]
Measure = Callable[[CountTables], Coefficient]

# all that ask neither how levels are called nor which end of the scale is up; the ratio metric does
SYMMETRIC: dict[str, Measure] = {
    **{f"kappa {weights}": partial(pooled_kappa, weights=weights) for weights in WEIGHTS},
    **{f"kappa by pair {weights}": partial(pooled_kappa, weights=weights, pairing="by_pair") for weights in WEIGHTS},
    **{f"alpha {metric}": partial(krippendorff_alpha, metric=metric) for metric in METRICS if metric != "ratio"},
    **{f"gwet {weights}": partial(gwet_coefficient, weights=weights) for weights in WEIGHTS},
    "fleiss": fleiss_kappa,
    "icc single": intraclass_single,
    "icc mean": intraclass_mean,
}
EVERY: dict[str, Measure] = {**SYMMETRIC, "alpha ratio": partial(krippendorff_alpha, metric="ratio")}


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_four_observers_is_the_published_one(metric: Metric, published: float) -> None:
    tables = count_tables(counts_of(FOUR_OBSERVERS, levels=6))
    assert krippendorff_alpha(tables, metric=metric).value == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.6914), ("ordinal", 0.8067), ("interval", 0.8108), ("ratio", 0.8089)]
)
def test_alpha_of_three_coders_with_gaps_is_the_published_one(metric: Metric, published: float) -> None:
    tables = count_tables(counts_of(THREE_CODERS, levels=5))
    assert krippendorff_alpha(tables, metric=metric).value == pytest.approx(published, abs=5e-5)


def test_coefficients_of_four_observers_are_those_of_irrcac() -> None:
    """Figures of irrCAC's own tests for `raw_4raters`; level k is there k + 1, and one unit has one rating."""
    tables = count_tables(counts_of([[level - 1 for level in unit] for unit in FOUR_OBSERVERS]))
    assert krippendorff_alpha(tables, metric="nominal").value == pytest.approx(0.74342, abs=5e-6)
    assert fleiss_kappa(tables).value == pytest.approx(0.76117, abs=5e-6)
    published: list[tuple[Weights, float]] = [("unweighted", 0.77544), ("linear", 0.859), ("quadratic", 0.914)]
    for weights, value in published:
        digits = 5e-6 if weights == "unweighted" else 5e-4
        assert gwet_coefficient(tables, weights=weights).value == pytest.approx(value, abs=digits)


def test_gwets_coefficient_of_five_observers_is_that_of_irrcac() -> None:
    """The tests of irrCAC for `raw_5observers`: numbers of ratings vary from 3 to 5."""
    tables = count_tables(counts_of(FIVE_OBSERVERS, levels=4))
    assert gwet_coefficient(tables, weights="unweighted").value == pytest.approx(0.497, abs=5e-4)


@pytest.mark.parametrize(
    ("counts", "published"),
    [
        # Wikipedia, and online calculator by Randolph, as statsmodels' tests state them
        (FOURTEEN_RATERS, 0.210),
        ([[7, 1], [3, 5]], 0.161905),
        ([[7, 0], [0, 7]], 1.0),
        ([[6, 1, 0], [0, 7, 0]], 0.708333),
    ],
)
def test_fleiss_kappa_is_the_published_one(counts: list[list[int]], published: float) -> None:
    digits = 5e-4 if published == 0.210 else 5e-7
    assert fleiss_kappa(count_tables(counts)).value == pytest.approx(published, abs=digits)


@pytest.mark.parametrize("pairing", ["by_rating", "by_pair"])
@pytest.mark.parametrize("weights", WEIGHTS)
@FEW
@given(units=UNITS)
def test_pooled_kappa_is_that_of_all_ordered_pairs_written_out(
    weights: Weights, pairing: Pairing, units: list[list[int]]
) -> None:
    pairs = [(*pair, 1 / (len(unit) - 1)) for unit in units for pair in itertools.permutations(unit, 2)]
    kappa = pooled_kappa(count_tables(counts_of(units)), weights=weights, pairing=pairing).value
    if len({one for one, _, _ in pairs}) < 2:
        assert kappa is None
        return
    first, second, shares = zip(*pairs, strict=True)
    judge = cohen_kappa_score(
        first,
        second,
        weights=None if weights == "unweighted" else weights,
        sample_weight=shares if pairing == "by_rating" else None,
        labels=range(5),
    )
    assert kappa == pytest.approx(judge, abs=1e-9)


@pytest.mark.parametrize("name", SYMMETRIC)
@FEW
@given(units=UNITS)
def test_turning_the_scale_upside_down_changes_nothing(name: str, units: list[list[int]]) -> None:
    counts = counts_of(units)
    one, other = (SYMMETRIC[name](count_tables(each)) for each in (counts, counts[:, ::-1]))
    assert other.value == (None if one.value is None else pytest.approx(one.value, rel=1e-9, abs=1e-9))
    assert other.reason == one.reason


@pytest.mark.parametrize("name", EVERY)
@FEW
@given(units=UNITS, seed=st.integers(0, 9), cut=st.integers(0, 20))
def test_order_and_parts_do_not_move_the_last_bit(name: str, units: list[list[int]], seed: int, cut: int) -> None:
    mixed = np.random.default_rng(seed).permutation(counts_of(units))
    parts = count_tables(mixed[cut:]) + count_tables(mixed[:cut])
    assert EVERY[name](parts) == EVERY[name](count_tables(counts_of(units)))


@pytest.mark.parametrize("name", EVERY)
def test_random_raters_agree_no_better_than_chance(name: str) -> None:
    """60,000 independent pairs give a kappa whose standard deviation is at most 1 / sqrt(60,000): five are allowed.

    ICC(k) = k ICC(1) / (1 + (k - 1) ICC(1)) with k = 3 varies three times as much as ICC(1).
    """
    levels = np.random.default_rng(5).integers(0, 5, (20_000, 3))
    value = EVERY[name](count_tables(counts_of(levels.tolist()))).value
    assert value == pytest.approx(0.0, abs=5 / np.sqrt(60_000) * (3 if name == "icc mean" else 1))


@pytest.mark.parametrize("name", EVERY)
def test_full_agreement_on_several_levels_is_one(name: str) -> None:
    assert EVERY[name](count_tables(counts_of([[0, 0], [4, 4, 4], [2, 2]]))).value == pytest.approx(1.0)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("units", [[], [[]], [[3], [1]]])
def test_without_a_pair_nothing_is_defined(name: str, units: list[list[int]]) -> None:
    assert EVERY[name](count_tables(counts_of(units))) == Coefficient(None, NO_PAIR)


@pytest.mark.parametrize("name", [name for name in EVERY if not name.startswith(("gwet", "icc"))])
def test_a_single_level_leaves_nothing_to_correct_for_chance(name: str) -> None:
    assert EVERY[name](count_tables(counts_of([[3, 3], [3, 3, 3]]))) == Coefficient(None, ONE_LEVEL)


def test_gwets_coefficient_of_a_single_level_is_one() -> None:
    assert gwet_coefficient(count_tables(counts_of([[3, 3], [3, 3, 3]])), weights="quadratic").value == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_each_table_of_a_stack_has_its_own_alpha(metric: Metric) -> None:
    tables = [count_tables(counts_of(units)) for units in ([[0, 1], [2, 2]], [[3, 4], [1, 1]], [[0, 4], [4, 0]])]
    stacks = [stacked(each) for each in tables]
    arrays = (np.concatenate([getattr(each, name) for each in stacks]) for name in ("pairs", "totals", "units"))
    found = krippendorff_alphas(TableStack(*arrays), metric=metric)
    assert found.tolist() == [krippendorff_alpha(each, metric=metric).value for each in tables]
