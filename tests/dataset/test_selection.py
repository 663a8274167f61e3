"""Selection against a plain search, and what it does to raters who know nothing."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.cleaning import CleanSettings
from steersman.dataset.cleaning import cleaning_stages
from steersman.dataset.grid import RatingGrid, grid_from_array, level_counts
from steersman.dataset.selection import select_ratings
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables

SCORE = st.integers(0, 4) | st.none()
RESPONSE = st.integers(2, 7).flatmap(
    lambda size: st.lists(st.lists(SCORE, min_size=5, max_size=5), min_size=size, max_size=size)
)
Scores = list[list[int | None]]
CRITERIA: dict[str, Callable[[list[int]], int]] = {
    "sum": lambda values: sum(abs(a - b) for a, b in combinations(values, 2)),
    "range": lambda values: max(values, default=0) - min(values, default=0),
    "variance": lambda values: sum((a - b) ** 2 for a, b in combinations(values, 2)),
}


def grid_of_one(scores: Scores) -> RatingGrid:
    size = len(scores)
    return RatingGrid(
        scores=np.array([[score or 0 for score in row] for row in scores], dtype=np.int8),
        given=np.array([[score is not None for score in row] for row in scores]),
        response=np.zeros(size, dtype=np.int64),
        annotator=np.arange(size),
        task=np.zeros(1, dtype=np.int64),
        rank=np.arange(size),
        rows=np.arange(size),
        num_tasks=1,
    )


def rules(**options: object) -> CleanSettings:
    return CleanSettings.model_validate(options)


def plain_choice(scores: Scores, chosen: Sequence[int], criterion: str, trust: Sequence[int]) -> tuple[int, ...]:
    def given(trio: Iterable[int], attribute: int) -> list[int]:
        return [score for each in trio if (score := scores[each][attribute]) is not None]

    def total(trio: tuple[int, ...], attributes: Sequence[int], name: str) -> int:
        return sum(CRITERIA[name](given(trio, attribute)) for attribute in attributes)

    def from_median(trio: tuple[int, ...]) -> float:
        everybody = [given(range(len(scores)), attribute) for attribute in range(5)]
        return sum(
            abs(score - float(np.median(everybody[attribute])))
            for attribute in range(5)
            for score in given(trio, attribute)
        )

    return min(
        combinations(range(len(scores)), min(3, len(scores))),
        key=lambda trio: (
            sum(scores[each][attribute] is None for each in trio for attribute in chosen),
            total(trio, chosen, criterion),
            total(trio, range(5), "sum"),
            from_median(trio),
            -sum(trust[each] for each in trio),
            trio,
        ),
    )


@pytest.mark.parametrize("criterion", list(CRITERIA))
@pytest.mark.parametrize("select_on", ["joint", "helpfulness", "verbosity"])
@settings(deadline=None, max_examples=60)
@given(scores=RESPONSE, trust=st.lists(st.integers(0, 2), min_size=7, max_size=7))
def test_the_choice_is_that_of_a_plain_search(select_on: str, criterion: str, scores: Scores, trust: list[int]) -> None:
    chosen = range(5) if select_on == "joint" else [ATTRIBUTES.index(select_on)]
    kept = select_ratings(
        grid_of_one(scores), rules=rules(select_on=select_on, criterion=criterion), reliability=np.array(trust)
    )
    assert (kept == kept[:, :1]).all()
    assert tuple(np.flatnonzero(kept[:, 0]).tolist()) == plain_choice(scores, chosen, criterion, trust)


@settings(deadline=None, max_examples=60)
@given(scores=RESPONSE)
def test_each_attribute_for_itself_is_a_search_of_its_own(scores: Scores) -> None:
    kept = select_ratings(grid_of_one(scores), rules=rules(select_on="each"))
    found = [tuple(np.flatnonzero(kept[:, index]).tolist()) for index in range(5)]
    assert found == [plain_choice(scores, [index], "sum", [0] * 7) for index in range(5)]


@settings(deadline=None, max_examples=30)
@given(responses=st.lists(RESPONSE, min_size=1, max_size=6))
def test_many_responses_at_once_choose_as_each_alone(responses: list[Scores]) -> None:
    parts = [grid_of_one(scores) for scores in responses]
    sizes = [len(scores) for scores in responses]
    together = RatingGrid(
        scores=np.concatenate([part.scores for part in parts]),
        given=np.concatenate([part.given for part in parts]),
        response=np.repeat(np.arange(len(parts)), sizes),
        annotator=np.concatenate([part.annotator for part in parts]),
        task=np.arange(len(parts)),
        rank=np.concatenate([part.rank for part in parts]),
        rows=np.arange(sum(sizes)),
        num_tasks=len(parts),
    )
    alone = np.concatenate([select_ratings(part, rules=rules()) for part in parts])
    assert (select_ratings(together, rules=rules()) == alone).all()


@pytest.mark.parametrize("criterion", list(CRITERIA))
@settings(deadline=None, max_examples=40)
@given(scores=RESPONSE)
def test_turning_the_scale_around_keeps_the_same_ratings(criterion: str, scores: Scores) -> None:
    turned: Scores = [[None if score is None else 4 - score for score in row] for row in scores]
    options = rules(criterion=criterion)
    one, other = (select_ratings(grid_of_one(each), rules=options) for each in (scores, turned))
    assert (one == other).all()


@settings(deadline=None, max_examples=40)
@given(scores=RESPONSE, data=st.data())
def test_another_order_of_annotators_keeps_ratings_that_agree_as_much(scores: Scores, data: st.DataObject) -> None:
    def agreement(rows: Scores) -> tuple[int, int]:
        kept = np.flatnonzero(select_ratings(grid_of_one(rows), rules=rules())[:, 0]).tolist()
        chosen = [[score for each in kept if (score := rows[each][index]) is not None] for index in range(5)]
        return sum(map(len, chosen)), sum(map(CRITERIA["sum"], chosen))

    assert agreement(scores) == agreement(data.draw(st.permutations(scores)))


def test_of_two_trios_in_the_tie_of_the_specification_the_more_reliable_wins() -> None:
    # 0,0,2 and 2,4,4 tie by every distance
    scores: Scores = [[value] * 5 for value in (0, 0, 2, 4, 4)]
    kept = select_ratings(grid_of_one(scores), rules=rules(), reliability=np.array([5, 5, 9, 5, 6]))
    assert np.flatnonzero(kept[:, 0]).tolist() == [2, 3, 4]


def test_equal_trios_go_to_the_one_nearer_the_median() -> None:
    # 0,1,1 and 3,3,4 and 3,4,4 have pairwise distances of 2 in all; the median is 3, and 3,3,4 is nearest to it
    kept = select_ratings(grid_of_one([[value] * 5 for value in [0, 1, 1, 3, 3, 4, 4]]), rules=rules())
    assert np.flatnonzero(kept[:, 0]).tolist() == [3, 4, 5]


def test_more_ratings_than_can_be_searched_are_refused() -> None:
    with pytest.raises(DataError, match="a response has 120 ratings"):
        select_ratings(grid_of_one([[1] * 5] * 120), rules=rules())


def kappas_of_random_raters(select_on: str) -> tuple[float, float]:
    rng = np.random.default_rng(11)
    scores = rng.integers(0, 5, size=(20_000, 2, 5, 5))
    grid = grid_from_array(scores, raters=np.full(20_000, 5))
    stages = cleaning_stages(grid, rules=rules(select_on=select_on))
    return kappa(grid, stages.all), kappa(grid, stages.selected)


def kappa(grid: RatingGrid, used: npt.NDArray[np.bool_]) -> float:
    value = pooled_kappa(count_tables(level_counts(grid, used=used, attribute=0)), weights="quadratic").value
    assert value is not None
    return value


def test_random_raters_agree_by_chance_alone_before_selection() -> None:
    before, _ = kappas_of_random_raters("joint")
    assert before == pytest.approx(0.0, abs=0.01)


def test_joint_selection_lifts_random_raters_to_about_a_third() -> None:
    _, after = kappas_of_random_raters("joint")
    assert after == pytest.approx(0.35, abs=0.02)


def test_selection_on_helpfulness_alone_lifts_random_raters_above_four_fifths() -> None:
    _, after = kappas_of_random_raters("helpfulness")
    assert after == pytest.approx(0.82, abs=0.02)
