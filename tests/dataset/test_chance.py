from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from steersman.dataset import chance
from steersman.dataset.chance import Design, design_of, random_raters, three_then
from steersman.dataset.grid import RatingGrid, chosen_ratings, grid_from_array


def needed(ratings: Sequence[Sequence[int | None]]) -> int:
    spreads = [max(known) - min(known) for each in ratings if (known := [score for score in each if score is not None])]
    return 5 if max(spreads) > 2 else 3


def drawn(design: Design) -> RatingGrid:
    return random_raters(design, needed=needed, keep=3, rng=np.random.default_rng(1))


def test_a_design_that_adds_raters_on_dispute_is_recognised() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    raters = np.array([needed(task) for task in scores[:, :, :3, 0].tolist()])
    assert design_of(grid_from_array(scores, raters=raters), needed=needed).disputes is not None


def test_a_design_with_one_number_of_raters_is_not_taken_for_it() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    for number in (2, 3, 5):
        assert design_of(grid_from_array(scores, raters=np.full(200, number)), needed=needed).disputes is None


def test_a_design_is_looked_for_among_tasks_that_have_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "_TASKS_LOOKED_AT", 100)
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    raters = np.array([needed(task) for task in scores[:, :, :3, 0].tolist()])
    grid = grid_from_array(scores, raters=raters)
    part = chosen_ratings(grid, where=grid.task[grid.response] >= 100)
    assert design_of(part, needed=needed).disputes is not None


def test_random_raters_come_in_the_numbers_of_the_design() -> None:
    scores = np.zeros((4, 2, 4, 5), dtype=np.int64)
    grid = drawn(Design(grid_from_array(scores, raters=np.array([2, 2, 2, 4])), disputes=None))
    sizes = np.bincount(grid.response)
    assert set(sizes.tolist()) == {2, 4}
    assert (sizes == 4).mean() == pytest.approx(0.25, abs=0.02)
    assert grid.num_tasks >= 20_000


def test_each_response_keeps_its_own_number_of_random_raters() -> None:
    whole = grid_from_array(np.zeros((10, 2, 5, 5), dtype=np.int64), raters=np.full(10, 5))
    design = chosen_ratings(whole, where=(whole.response % 2 == 0) | (whole.rank < 3))
    sizes = np.bincount(drawn(Design(design, disputes=None)).response)
    assert (sizes.reshape(-1, 2) == [5, 3]).all()


def test_what_nobody_rated_random_raters_do_not_rate() -> None:
    design = grid_from_array(np.zeros((10, 2, 3, 5), dtype=np.int64), raters=np.full(10, 3))
    design.given[:, 4] = design.rank < 2
    grid = drawn(Design(design, disputes=None))
    assert (grid.given[:, 4] == (grid.rank < 2)).all()
    assert grid.given[:, :4].all()


def test_random_ratings_take_the_places_of_those_of_the_design() -> None:
    design = grid_from_array(np.zeros((10, 2, 5, 5), dtype=np.int64), raters=np.arange(1, 11) % 5 + 1)
    grid = drawn(Design(design, disputes=None))
    assert (grid.annotator == design.annotator[grid.rows]).all()
    assert (np.diff(grid.response) >= 0).all()
    assert (design.response[grid.rows] % 2 == grid.response % 2).all()


def test_a_task_of_thousands_of_responses_is_drawn_less_often() -> None:
    pairs = grid_from_array(np.zeros((3_000, 2, 3, 5), dtype=np.int64), raters=np.full(3_000, 3))
    one = replace(pairs, task=np.zeros_like(pairs.task), num_tasks=1)
    # 18,000 ratings each, of at most four million
    assert drawn(Design(one, disputes=None)).num_tasks == 4_000_000 // 18_000


def test_two_more_random_raters_come_exactly_where_the_first_three_differ() -> None:
    grid = drawn(three_then(5))
    sizes = np.bincount(grid.response).reshape(-1, 2)
    first = np.flatnonzero(grid.rank < 3)
    scores = grid.scores[first, 0].reshape(-1, 2, 3)
    is_disputed = (scores.max(axis=2) - scores.min(axis=2) > 2).any(axis=1)
    assert is_disputed.any()
    assert not is_disputed.all()
    assert (sizes == np.where(is_disputed, 5, 3)[:, None]).all()


def test_raters_added_to_one_response_alone_are_added_so_to_random_ones() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(400, 2, 5, 5))
    whole = grid_from_array(scores, raters=np.full(400, 5))
    first = scores[:, :, :3, 0]
    is_disputed = (first.max(axis=2) - first.min(axis=2) > 2).reshape(-1)
    real = chosen_ratings(whole, where=is_disputed[whole.response] | (whole.rank < 3))
    grid = drawn(design_of(real, needed=needed))
    early = grid.scores[grid.rank < 3, 0].reshape(-1, 3)
    assert ((np.bincount(grid.response) == 5) == (early.max(axis=1) - early.min(axis=1) > 2)).all()
