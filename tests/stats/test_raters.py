import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW, RATED_UNITS, counts_of, vectors_of
from sklearn.metrics import cohen_kappa_score

from steersman.stats.counts import count_tables
from steersman.stats.kappa import NO_PAIR, ONE_LEVEL, Weights
from steersman.stats.raters import (
    RaterFigures,
    RaterTables,
    level_spreads,
    rater_figures,
    rater_tables,
    sum_of_raters,
)

Units = list[dict[int, int]]


def tables_of(units: Units, *, first: int = 0) -> RaterTables:
    return rater_tables(**vectors_of(units, first=first), num_levels=4)


def figures_of(units: Units, *, weights: Weights = "quadratic") -> dict[int, RaterFigures]:
    return {each.rater: each for each in rater_figures(tables_of(units), weights=weights)}


def assert_same(one: RaterTables, other: RaterTables) -> None:
    for name in ("raters", "sizes", "pairs", "totals"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@FEW
@given(units=RATED_UNITS)
def test_the_tables_of_all_raters_add_up_to_those_of_the_units(units: Units) -> None:
    tables, found = count_tables(counts_of([list(unit.values()) for unit in units], levels=4)), tables_of(units)
    np.testing.assert_array_equal(found.sizes, np.flatnonzero(tables.units[1:]) + 1)
    np.testing.assert_array_equal(found.pairs.sum(axis=0), tables.pairs[found.sizes])
    np.testing.assert_array_equal(found.totals.sum(axis=0), tables.totals[found.sizes])


@pytest.mark.parametrize("weights", ["quadratic", "linear", "unweighted"])
@FEW
@given(units=RATED_UNITS)
def test_agreement_and_bias_are_those_of_the_ratings_written_out(weights: Weights, units: Units) -> None:
    for rater, found in figures_of(units, weights=weights).items():
        met = [unit for unit in units if rater in unit and len(unit) > 1]
        pairs = [
            (unit[rater], level, 1 / (len(unit) - 1)) for unit in met for name, level in unit.items() if name != rater
        ]
        assert found.units_met == len(met)
        if not met:
            assert (found.bias, found.agreement.reason) == (None, NO_PAIR)
            continue
        gaps = [unit[rater] - np.mean([level for name, level in unit.items() if name != rater]) for unit in met]
        assert found.bias == pytest.approx(np.mean(gaps), abs=1e-12)
        own, others, shares = zip(*pairs, strict=True)
        if len({*own, *others}) == 1:
            assert (found.agreement.value, found.agreement.reason) == (None, ONE_LEVEL)
            continue
        judge = cohen_kappa_score(
            own,
            others,
            weights=None if weights == "unweighted" else weights,
            sample_weight=shares,
            labels=range(4),
        )
        assert found.agreement.value == pytest.approx(judge, abs=1e-9)


@FEW
@given(units=RATED_UNITS)
def test_spread_and_commonest_share_are_those_of_own_ratings(units: Units) -> None:
    for rater, found in figures_of(units).items():
        own = [unit[rater] for unit in units if rater in unit]
        assert found.ratings == len(own)
        assert found.spread == pytest.approx(np.std(own), abs=1e-12)
        assert found.commonest_share == max(map(own.count, own)) / len(own)


@FEW
@given(units=RATED_UNITS, cut=st.integers(0, 12))
def test_tables_of_parts_add_up_and_can_be_taken_away(units: Units, cut: int) -> None:
    one, other, whole = tables_of(units[:cut]), tables_of(units[cut:], first=cut), tables_of(units)
    assert_same(one + other, whole)
    assert_same(whole - one, other)


@FEW
@given(units=RATED_UNITS)
def test_one_rating_after_the_other_comes_to_the_tables_of_all(units: Units) -> None:
    tables = tables_of([])
    for unit in units:
        for size in range(len(unit)):
            before, after = (dict(itertools.islice(unit.items(), end)) for end in (size, size + 1))
            tables = sum_of_raters([tables, tables_of([after]) - tables_of([before])])
    assert_same(tables, tables_of(units))


def test_a_rater_who_is_one_level_too_kind_is_seen_to_be_so() -> None:
    units = [{0: level, 1: level, 9: level + 1} for level in (0, 1, 2)]
    found = figures_of(units)
    assert found[9].bias == pytest.approx(1.0)
    # beside rater 0 stand one equal rating and one higher by one: half a level too low
    assert found[0].bias == pytest.approx(-0.5)


def test_constant_answers_show_in_share_and_spread_and_agree_by_chance_only() -> None:
    units = [{0: 2, 1: level, 2: level} for level in (0, 1, 2, 3)]
    constant = figures_of(units)[0]
    assert (constant.commonest_share, constant.spread) == (1.0, 0.0)
    assert constant.agreement.value == pytest.approx(0.0)


def test_the_spread_of_everybody_is_that_of_all_ratings() -> None:
    units = [{0: 0, 1: 3}, {0: 1, 2: 3}]
    everybody = level_spreads(tables_of(units).totals.sum(axis=(0, 1)))
    assert float(everybody) == pytest.approx(np.std([0, 3, 1, 3]))


def test_a_unit_that_everybody_rated_costs_no_more_than_its_raters() -> None:
    """3,000 ratings of one unit: tables by every number of ratings up to that would hold 144 million cells."""
    crowd = {rater: rater % 4 for rater in range(3000)}
    found = tables_of([crowd, {0: 1, 1: 2}])
    assert found.sizes.tolist() == [2, 3000]
    assert found.pairs.shape == (3000, 2, 4, 4)


def test_tables_of_unlike_scales_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="same number of levels"):
        tables_of([{0: 1, 1: 1}]) + rater_tables([0, 1], unit=[0, 0], rater=[0, 1], num_levels=5)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64])
def test_integers_of_any_width_count_alike(dtype: npt.DTypeLike) -> None:
    unit, level, rater = np.repeat(np.arange(100), 2), np.tile([0, 3], 100), np.tile([0, 126], 100)
    wide, narrow = (
        rater_tables(level.astype(each), unit=unit.astype(each), rater=rater.astype(each), num_levels=4)
        for each in (np.int64, dtype)
    )
    assert_same(narrow, wide)


def test_a_rater_twice_on_one_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="rater 3 rated unit 8 more than once"):
        rater_tables([0, 1], unit=[8, 8], rater=[3, 3], num_levels=4)
