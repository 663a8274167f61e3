"""The bar of a training tells tokens per second, the time left and the running loss; others stay as they are."""

import re

import pytest

from steersman.cli.progress import bars
from steersman.protocols import Advance, no_progress, note

Capture = pytest.CaptureFixture[str]


def last_drawn(capsys: Capture) -> str:
    """Return the last state of the bar on stderr; stdout must be empty."""
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.rstrip().split("\r")[-1]


def test_a_bar_of_tokens_counts_them_in_thousands_with_rate_time_left_and_loss(capsys: Capture) -> None:
    with bars("reward", 250_000, "token") as advance:
        advance(50_000)
        note(advance, {"loss": 0.71234})
        advance(75_000)
    drawn = last_drawn(capsys)
    assert drawn.startswith("reward ")
    # elapsed, then what is left at this rate
    assert re.search(r" 50%.* 125k/250k \[\d+:\d\d<\d+:\d\d, .* tokens/s, loss 0\.7123\]$", drawn), drawn


def test_a_later_note_takes_the_place_of_an_earlier_one(capsys: Capture) -> None:
    with bars("reward", 100, "token") as advance:
        for loss in (0.5, 0.25):
            note(advance, {"loss": loss, "accuracy": 1 - loss})
        advance(100)
    assert last_drawn(capsys).endswith("loss 0.25, accuracy 0.75]")


def test_other_units_are_counted_one_by_one(capsys: Capture) -> None:
    with bars("rows", 20_000, "row") as advance:
        advance(12_345)
    assert " 12345/20000 [" in last_drawn(capsys)


def test_a_note_to_a_bar_without_room_is_no_fault() -> None:
    seen: list[int] = []
    plain: Advance = seen.append
    note(plain, {"loss": 1.0})
    with no_progress("reward", 10, "token") as silent:
        note(silent, {"loss": 1.0})
    assert seen == []
