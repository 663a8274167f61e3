import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW, RATED_UNITS, vectors_of

from steersman.stats import ratings
from steersman.stats.kappa import ONE_LEVEL, cohen_kappa, confusion_table
from steersman.stats.pairs import PairTables, pair_agreement, pair_tables, sum_of_pairs

Units = list[dict[int, int]]


def tables_of(units: Units, *, first: int = 0) -> PairTables:
    return pair_tables(**vectors_of(units, first=first), num_levels=4)


def as_dict(tables: PairTables) -> dict[tuple[int, ...], list[list[int]]]:
    return {tuple(pair): table.tolist() for pair, table in zip(tables.raters.tolist(), tables.tables, strict=True)}


def shared(units: Units, one: int, other: int) -> tuple[list[int], list[int]]:
    both = [unit for unit in units if one in unit and other in unit]
    return [unit[one] for unit in both], [unit[other] for unit in both]


@FEW
@given(units=RATED_UNITS)
def test_each_pair_has_the_confusion_table_of_its_shared_units(units: Units) -> None:
    expected = {
        pair: confusion_table(*shared(units, *pair), num_levels=4).tolist()
        for pair in itertools.combinations(range(6), 2)
        if shared(units, *pair)[0]
    }
    assert as_dict(tables_of(units)) == expected


@FEW
@given(units=RATED_UNITS, cut=st.integers(0, 12))
def test_tables_of_parts_add_up_and_can_be_taken_away(units: Units, cut: int) -> None:
    one, other, whole = tables_of(units[:cut]), tables_of(units[cut:], first=cut), tables_of(units)
    assert as_dict(one + other) == as_dict(whole)
    assert as_dict(whole - one) == as_dict(other)


@FEW
@given(units=RATED_UNITS)
def test_one_rating_after_the_other_comes_to_the_tables_of_all(units: Units) -> None:
    parts = [tables_of([])]
    for unit in units:
        for size in range(len(unit)):
            before, after = (dict(itertools.islice(unit.items(), end)) for end in (size, size + 1))
            parts.append(tables_of([after]) - tables_of([before]))
    assert as_dict(sum_of_pairs(parts)) == as_dict(tables_of(units))


@FEW
@given(units=RATED_UNITS, names=st.permutations([3, 2**31 - 1, 17, 400, 0, 70_000]))
def test_other_names_of_raters_turn_their_tables_only(units: Units, names: list[int]) -> None:
    renamed = as_dict(tables_of([{names[rater]: level for rater, level in unit.items()} for unit in units]))
    for (one, other), table in as_dict(tables_of(units)).items():
        turned = np.transpose(table).tolist() if names[one] > names[other] else table
        assert renamed.pop((min(names[one], names[other]), max(names[one], names[other]))) == turned
    assert not renamed


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_blocks_of_ratings_that_cut_units_in_two_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    units: Units = [{rater: (rater + unit) % 4 for rater in range(unit % 6)} for unit in range(12)]
    whole = as_dict(tables_of(units))
    monkeypatch.setattr(ratings, "_BLOCK", size)
    assert as_dict(tables_of(units)) == whole


def test_pairs_below_the_overlap_are_null_and_counted_and_the_mean_weighs_by_overlap() -> None:
    units = [{0: 0, 1: 0, 2: 3}, {0: 3, 1: 3, 2: 0}, {0: 1, 1: 2}, {0: 2, 1: 2}, {2: 1, 3: 1}, {1: 0, 2: 0}]
    found = pair_agreement(tables_of(units), weights="quadratic", min_overlap=2)

    assert found.raters.tolist() == [[0, 1], [0, 2], [1, 2], [2, 3]]
    assert found.overlap.tolist() == [4, 2, 3, 1]
    assert (found.too_few, found.undefined) == (1, 0)
    kappas = [
        cohen_kappa(confusion_table(*shared(units, *pair), num_levels=4), weights="quadratic").value
        for pair in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(found.kappas, np.array([*kappas, np.nan], dtype=np.float64), rtol=1e-12)
    assert found.mean.value == pytest.approx(np.average(np.array(kappas, dtype=float), weights=[4, 2, 3]))


def test_pairs_that_know_one_level_are_counted_as_undefined() -> None:
    found = pair_agreement(tables_of([{0: 1, 1: 1}, {0: 1, 1: 1}]), weights="linear", min_overlap=2)
    assert (found.undefined, found.too_few) == (1, 0)
    assert (found.mean.value, found.mean.reason) == (None, ONE_LEVEL)


def test_without_any_overlap_the_mean_says_so() -> None:
    found = pair_agreement(tables_of([{0: 1, 1: 1}]), weights="linear", min_overlap=2)
    assert found.mean.reason == "no two raters have 2 units in common"


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64])
def test_integers_of_any_width_count_alike(dtype: npt.DTypeLike) -> None:
    unit, level, rater = np.repeat(np.arange(100), 2), np.tile([0, 4], 100), np.tile([0, 126], 100)
    found = pair_tables(level.astype(dtype), unit=unit.astype(dtype), rater=rater.astype(dtype), num_levels=5)
    assert as_dict(found) == {(0, 126): [[0, 0, 0, 0, 100], *[[0] * 5] * 4]}


@pytest.mark.parametrize(
    ("level", "unit", "rater", "words"),
    [
        ([0, 1, 2], [4, 4, 7], [9, 9, 9], "rater 9 rated unit 4 more than once"),
        ([0, 1], [2, 1], [0, 1], "sorted"),
        ([0, 5], [1, 1], [0, 1], r"level\[1\] is 5"),
        ([0, 1], [1, 1], [0], "differ in length: 2, 1, 2"),
        ([0, 1], [1, 1], [0, 2**31], "number the raters first"),
        ([0, np.nan], [1, 1], [0, 1], "level must be integers"),
        ([0, 1], [1, 1], [-1, 1], "rater must not be negative"),
    ],
)
def test_ratings_that_cannot_be_are_refused(
    level: npt.ArrayLike, unit: npt.ArrayLike, rater: npt.ArrayLike, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        pair_tables(level, unit=unit, rater=rater, num_levels=5)


def test_tables_of_unlike_scales_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="same number of levels"):
        tables_of([{0: 1, 1: 1}]) + pair_tables([0, 1], unit=[0, 0], rater=[0, 1], num_levels=5)
