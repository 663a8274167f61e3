"""Thresholds of levels increase by construction, until rounding makes two of them one."""

import pytest
import torch
from torch.testing import assert_close

from steersman.errors import RunError
from steersman.reward.heads import Thresholds, TieThresholds


def test_thresholds_start_where_they_are_told_to() -> None:
    assert_close(Thresholds(2, 4, first=-2.0, step=1.0)(), torch.tensor([[-2.0, -1.0, 0.0, 1.0]] * 2))
    assert_close(TieThresholds(3, first=0.5, step=1.0)(), torch.tensor([0.5, 1.5, 2.5]))


@pytest.mark.parametrize("step", [-40.0, float("nan")])
def test_thresholds_that_run_together_say_what_to_do(step: float) -> None:
    # softplus(-40) = 4e-18, far below what float32 tells apart at 2
    levels, ties = Thresholds(1, 4, first=-2.0, step=1.0), TieThresholds(3, first=0.5, step=1.0)
    for made in (levels, ties):
        with torch.no_grad():
            made.steps.flatten()[-1].fill_(step)
        with pytest.raises(RunError, match=r"ran together or are no numbers: .*lower optimiser.learning_rate"):
            made()
