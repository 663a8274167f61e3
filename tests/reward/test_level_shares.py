"""Labels between levels: shares that keep their mean."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steersman.reward.labels import level_shares

LEVELS = torch.arange(5, dtype=torch.float64)


def shares(label: float) -> list[float]:
    found: list[float] = level_shares(torch.tensor([[label]], dtype=torch.float64), LEVELS)[0, 0].tolist()
    return found


@pytest.mark.parametrize("level", range(5))
def test_a_whole_label_lies_on_its_level(level: int) -> None:
    assert shares(float(level)) == [float(each == level) for each in range(5)]


def test_three_three_and_four_lie_where_they_were_given() -> None:
    assert shares((3 + 3 + 4) / 3) == pytest.approx([0, 0, 0, 2 / 3, 1 / 3])


@given(st.floats(0, 4))
def test_shares_keep_the_label_as_their_mean_and_touch_two_levels_at_most(label: float) -> None:
    found = shares(label)
    assert sum(found) == pytest.approx(1)
    assert sum(level * share for level, share in enumerate(found)) == pytest.approx(label)
    assert sum(share > 0 for share in found) <= 2


def test_a_missing_label_lies_nowhere() -> None:
    assert shares(float("nan")) == [0.0] * 5
