from collections.abc import Sequence

import numpy as np
import pytest

from steersman.dataset.chance import Design, design_of, random_raters
from steersman.dataset.grid import grid_from_array


def needed(ratings: Sequence[Sequence[int | None]]) -> int:
    spreads = [max(known) - min(known) for each in ratings if (known := [score for score in each if score is not None])]
    return 5 if max(spreads) > 2 else 3


def test_a_design_that_adds_raters_on_dispute_is_recognised() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    raters = np.array([needed(task) for task in scores[:, :, :3, 0].tolist()])
    assert design_of(grid_from_array(scores, raters=raters), needed=needed).is_extended


def test_a_design_with_one_number_of_raters_is_not_taken_for_it() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    for number in (2, 3, 5):
        assert not design_of(grid_from_array(scores, raters=np.full(200, number)), needed=needed).is_extended


def test_random_raters_come_in_the_numbers_of_the_design() -> None:
    design = Design(np.array([2, 2, 2, 4]), is_extended=False)
    grid = random_raters(design, needed=needed, keep=3, rng=np.random.default_rng(1))
    sizes = np.bincount(grid.response)
    assert set(sizes.tolist()) == {2, 4}
    assert (sizes == 4).mean() == pytest.approx(0.25, abs=0.02)
    assert grid.num_tasks >= 20_000
