import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_examples import FEW
from sklearn.metrics import cohen_kappa_score

from steersman.stats.kappa import NO_PAIR, ONE_LEVEL, Weights, cohen_kappa, confusion_table

WEIGHTS: list[Weights] = ["quadratic", "linear", "unweighted"]
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def kappa_of(first: list[int], second: list[int], weights: Weights = "unweighted", *, levels: int = 5) -> float | None:
    return cohen_kappa(confusion_table(first, second, num_levels=levels), weights=weights).value


@pytest.mark.parametrize("weights", WEIGHTS)
def test_two_raters_reach_the_kappa_of_the_specification(weights: Weights) -> None:
    first, second = [0, 1, 2, 3, 4, 4, 3, 2], [0, 2, 2, 3, 4, 3, 3, 0]
    judge = cohen_kappa_score(first, second, weights=None if weights == "unweighted" else weights)
    assert kappa_of(first, second, weights) == pytest.approx(judge)
    if weights == "quadratic":
        assert judge == pytest.approx(0.794872, abs=5e-7)


def test_kappa_of_artstein_and_poesio_is_the_published_one() -> None:
    """Artstein and Poesio (2008), table 2, as scikit-learn's tests state it."""
    first, second = [0] * 40 + [1] * 60, [0] * 20 + [1] * 20 + [0] * 10 + [1] * 50
    assert kappa_of(first, second) == pytest.approx(0.348, abs=5e-4)
    assert kappa_of(first, second) == kappa_of(second, first)
    assert kappa_of(first, first) == pytest.approx(1.0)


def test_kappa_of_three_levels_is_the_published_one() -> None:
    """scikit-learn's tests, after vassarstats.net/kappa."""
    first, second = [0] * 46 + [1] * 44 + [2] * 10, [0] * 52 + [1] * 32 + [2] * 16
    assert kappa_of(first, second) == pytest.approx(0.8013, abs=5e-5)


@pytest.mark.parametrize(("weights", "published"), [("unweighted", 0.9315), ("linear", 0.9412), ("quadratic", 0.9541)])
def test_weighted_kappa_is_the_published_one(weights: Weights, published: float) -> None:
    """scikit-learn's tests, after vassarstats.net/kappa."""
    first, second = [0] * 46 + [1] * 44 + [2] * 10, [0] * 50 + [1] * 40 + [2] * 10
    assert kappa_of(first, second, weights) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(("weights", "published"), [("unweighted", 0.4842), ("linear", 0.4701)])
def test_kappa_of_a_table_is_the_one_that_sas_prints(weights: Weights, published: float) -> None:
    """The table of statsmodels' tests, compared there with the printout of SAS."""
    table = [[0, 4, 1], [0, 8, 0], [0, 1, 5]]
    assert cohen_kappa(table, weights=weights).value == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("weights", "published"), [("unweighted", -0.006289308), ("linear", 0.1459075), ("quadratic", 0.2520325)]
)
def test_kappa_of_two_anxiety_raters_is_the_one_of_the_r_package_irr(weights: Weights, published: float) -> None:
    """The second and third rater of irr's data set `anxiety`, as statsmodels' tests hold them; no 5 occurs."""
    second = [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4]
    third = [2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2]
    places = {1: 0, 2: 1, 3: 2, 4: 3, 6: 4}
    found = kappa_of([places[level] for level in second], [places[level] for level in third], weights)
    assert found == pytest.approx(published, abs=5e-7)


@pytest.mark.parametrize("weights", WEIGHTS)
@FEW
@given(pairs=PAIRS)
def test_kappa_does_not_ask_which_rater_is_first_nor_which_end_is_up(
    weights: Weights, pairs: list[tuple[int, int]]
) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    kappa = kappa_of(first, second, weights)
    upside_down = kappa_of([4 - one for one in first], [4 - other for other in second], weights)
    assert kappa_of(second, first, weights) == (None if kappa is None else pytest.approx(kappa, abs=1e-12))
    assert upside_down == (None if kappa is None else pytest.approx(kappa, abs=1e-12))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_two_raters_who_know_one_level_have_no_kappa(weights: Weights) -> None:
    found = cohen_kappa(confusion_table([3, 3], [3, 3], num_levels=5), weights=weights)
    assert (found.value, found.reason) == (None, ONE_LEVEL)


def test_no_pair_has_no_kappa() -> None:
    assert cohen_kappa(confusion_table([], [], num_levels=5), weights="linear").reason == NO_PAIR


def test_one_constant_rater_agrees_no_better_than_chance() -> None:
    assert kappa_of([2] * 5, [0, 1, 2, 3, 4], "quadratic") == pytest.approx(0.0)


def test_narrow_integers_do_not_overflow() -> None:
    first = np.full(300, 12, dtype=np.int8)
    assert confusion_table(first, first, num_levels=13)[12, 12] == 300


def test_raters_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        confusion_table([1, 2], [1], num_levels=5)


@pytest.mark.parametrize(("level", "words"), [(5, r"second\[1\] is 5"), (-1, "negative")])
def test_a_level_outside_the_scale_is_refused_with_its_place(level: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        confusion_table([1, 2], [1, level], num_levels=5)


def test_missing_ratings_are_refused() -> None:
    with pytest.raises(ValueError, match="first must be integers"):
        confusion_table([1.0, np.nan], [1, 2], num_levels=5)
