"""The learning rate: up to its peak in a straight line, then constant, down a line or down half a cosine."""

import math

import pytest
from constant_model import optimiser_settings

from steersman.engine.rates import rate_share


def shares(last_step: int, **settings: object) -> list[float]:
    """Return the share of the peak rate at every step of a training."""
    optimiser = optimiser_settings(**settings)
    return [rate_share(step, last_step=last_step, optimiser=optimiser) for step in range(1, last_step + 1)]


def test_a_constant_rate_warms_up_in_a_line_and_stays() -> None:
    assert shares(6, warmup_steps=4) == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 1])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_without_warm_up_the_rate_starts_near_its_peak(schedule: str) -> None:
    assert shares(1000, warmup_steps=0, schedule=schedule)[0] == pytest.approx(1, abs=2e-3)


def test_a_linear_rate_falls_by_equal_parts_to_its_final_share() -> None:
    # from 1 at step 2, the last of the warm-up, by (1 - 0.2) / 4 a step
    found = shares(6, warmup_steps=2, schedule="linear", final_share=0.2)
    assert found == pytest.approx([0.5, 1.0, 0.8, 0.6, 0.4, 0.2])


def test_a_cosine_rate_is_half_way_down_at_half_time() -> None:
    found = shares(10, warmup_steps=2, schedule="cosine", final_share=0.1)
    assert found[1] == 1.0
    assert found[5] == pytest.approx((1 + 0.1) / 2)
    # a quarter of the way: (1 + cos(pi / 4)) / 2 of the distance is left
    assert found[3] == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert found[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_training_shorter_than_its_warm_up_only_warms_up(schedule: str) -> None:
    assert shares(3, warmup_steps=4, schedule=schedule) == pytest.approx([0.25, 0.5, 0.75])
    assert shares(4, warmup_steps=4, schedule=schedule)[-1] == 1.0
