"""Selection against a plain search, and what it does to raters who know nothing."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.sections import CleanSettings
from steersman.dataset.cleaning import cleaning_stages
from steersman.dataset.grid import RatingGrid, grid_from_array, level_counts
from steersman.dataset.selection import SELECTIONS, select_ratings
from steersman.errors import DataError
from steersman.stats.agreement import coincidence_table, quadratic_kappa

RESPONSE = st.integers(2, 7).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=size, max_size=size)
)


def grid_of_one(scores: list[list[int]]) -> RatingGrid:
    size = len(scores)
    table = np.array(scores, dtype=np.int64)
    return RatingGrid(
        scores=table,
        given=np.ones_like(table, dtype=np.bool_),
        response=np.zeros(size, dtype=np.int64),
        task=np.zeros(1, dtype=np.int64),
        rank=np.arange(size),
        rows=np.arange(size),
        num_tasks=1,
    )


def plain_choice(scores: list[list[int]], select_on: str) -> tuple[int, ...]:
    table = np.array(scores)
    median = np.median(table, axis=0)

    def distance(trio: tuple[int, ...], attributes: tuple[int, ...]) -> int:
        return sum(abs(scores[i][a] - scores[j][a]) for i, j in combinations(trio, 2) for a in attributes)

    return min(
        combinations(range(len(scores)), min(3, len(scores))),
        key=lambda trio: (
            distance(trio, SELECTIONS[select_on]),
            distance(trio, SELECTIONS["joint"]),
            float(np.abs(table[list(trio)] - median).sum()),
            trio,
        ),
    )


@pytest.mark.parametrize("select_on", ["joint", "helpfulness"])
@settings(deadline=None, max_examples=60)
@given(scores=RESPONSE)
def test_the_choice_is_that_of_a_plain_search(select_on: str, scores: list[list[int]]) -> None:
    kept = select_ratings(grid_of_one(scores), keep=3, select_on=select_on)
    assert tuple(np.flatnonzero(kept).tolist()) == plain_choice(scores, select_on)


def test_equal_trios_go_to_the_one_nearer_the_median() -> None:
    # 0,1,1 and 3,3,4 and 3,4,4 have pairwise distances of 2 in all; the median is 3, and 3,3,4 is nearest to it
    kept = select_ratings(grid_of_one([[value] * 5 for value in [0, 1, 1, 3, 3, 4, 4]]), keep=3, select_on="joint")
    assert np.flatnonzero(kept).tolist() == [3, 4, 5]


def test_more_ratings_than_can_be_searched_are_refused() -> None:
    with pytest.raises(DataError, match="a response has 120 ratings"):
        select_ratings(grid_of_one([[1] * 5] * 120), keep=3, select_on="joint")


def kappas_of_random_raters(select_on: str) -> tuple[float, float]:
    rng = np.random.default_rng(11)
    scores = rng.integers(0, 5, size=(20_000, 2, 5, 5))
    grid = grid_from_array(scores, raters=np.full(20_000, 5))
    rules = CleanSettings.model_validate({"select_on": select_on})
    stages = cleaning_stages(grid, rules=rules)
    return kappa(grid, stages.all), kappa(grid, stages.selected)


def kappa(grid: RatingGrid, used: npt.NDArray[np.bool_]) -> float:
    value = quadratic_kappa(coincidence_table(level_counts(grid, used=used, attribute=0))).value
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
