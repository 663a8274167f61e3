"""Extrapolation between two models: the formula, its ends, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from steersman.errors import DataError
from steersman.reward.expo import differences, extrapolate

FLOATS = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5)


def test_the_published_factor_goes_half_as_far_again() -> None:
    weak, strong = {"w": torch.tensor([1.0, -2.0])}, {"w": torch.tensor([3.0, -2.5])}
    found = extrapolate(weak, strong, factor=1.52)
    assert_close(found, {"w": torch.tensor([1 + 1.52 * 2, -2 + 1.52 * -0.5])})


@given(FLOATS, FLOATS)
def test_factor_zero_is_the_weak_model_and_one_the_strong_one_to_the_last_bit(
    first: list[float], second: list[float]
) -> None:
    size = min(len(first), len(second))
    weak, strong = {"w": torch.tensor(first[:size])}, {"w": torch.tensor(second[:size])}
    assert torch.equal(extrapolate(weak, strong, factor=0.0)["w"], weak["w"])
    assert torch.equal(extrapolate(weak, strong, factor=1.0)["w"], strong["w"])


def test_bfloat16_weights_are_extrapolated_in_float32_and_rounded_once() -> None:
    generator = torch.Generator().manual_seed(0)
    weak, strong = (torch.randn(1000, generator=generator).bfloat16() for _ in range(2))
    found = extrapolate({"w": weak}, {"w": strong}, factor=1.52)["w"]
    expected = (weak.double() + 1.52 * (strong.double() - weak.double())).bfloat16()
    assert found.dtype == torch.bfloat16
    # rounding to float32 first can tip a tie, once in some thousand
    assert (found != expected).sum() <= 2
    assert (weak + 1.52 * (strong - weak) != expected).sum() > 100


def test_the_result_has_the_number_format_of_the_strong_model() -> None:
    weak, strong = {"w": torch.zeros(2)}, {"w": torch.ones(2, dtype=torch.bfloat16)}
    assert extrapolate(weak, strong, factor=2.0)["w"].dtype == torch.bfloat16


def test_integers_are_left_as_they_are() -> None:
    places = {"places": torch.tensor([0, 1, 2])}
    assert torch.equal(extrapolate(places, places, factor=1.52)["places"], places["places"])


def test_integers_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="places holds other integers"):
        extrapolate({"places": torch.tensor([0, 1])}, {"places": torch.tensor([0, 2])}, factor=1.5)


def test_neither_model_is_changed() -> None:
    weak, strong = {"w": torch.zeros(2)}, {"w": torch.ones(2)}
    extrapolate(weak, strong, factor=3.0)["w"].add_(1)
    assert (weak["w"].tolist(), strong["w"].tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_all_names_and_shapes_that_differ_are_told_at_once() -> None:
    weak = {"a": torch.zeros(2), "both": torch.zeros(2, 3), "same": torch.zeros(1)}
    strong = {"b": torch.zeros(2), "both": torch.zeros(3, 2), "same": torch.zeros(1)}
    with pytest.raises(DataError, match=r"two models of one shape are needed: only the weak model has a; only the "):
        extrapolate(weak, strong, factor=1.5)
    assert differences({"a": (2,), "c": (2, 3)}, {"b": (2,), "c": (3, 2)}) == [
        "only the weak model has a",
        "only the strong model has b",
        "c has shape (2, 3) in the weak model, (3, 2) in the strong one",
    ]
