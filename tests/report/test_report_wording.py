"""The words around the figures."""

import pytest

from steersman.report.data import AncestorVerdict, Estimate
from steersman.report.wording import (
    counted,
    duration,
    figure,
    interval,
    licence_words,
    moment,
    percent,
    reward_sentence,
    signed,
)

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(8.44, "8.4 s"), (59.96, "1 min 00 s"), (125, "2 min 05 s"), (3725, "1 h 02 min"), (None, "not recorded")],
)
def test_durations_read_as_people_say_them(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_numbers_have_thousands_marks_and_a_true_minus() -> None:
    assert (figure(1242), figure(-0.5, 2), signed(0.18), signed(-0.18)) == (
        "1,242",
        f"{MINUS}0.50",
        "+0.18",
        f"{MINUS}0.18",
    )


def test_what_is_absent_is_not_recorded() -> None:
    assert {figure(None), percent(None), signed(None), moment(None)} == {"not recorded"}
    assert interval(Estimate(1.0)) == "interval not recorded"


def test_a_moment_is_shown_in_utc() -> None:
    assert moment("2026-03-04T00:05:00+01:00") == "3 March 2026, 23:05 UTC"
    assert moment("yesterday") == "yesterday"


def test_one_is_singular() -> None:
    assert (counted(1, "task"), counted(2, "task")) == ("1 task", "2 tasks")


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.01, 0.2, "raised"), (-0.2, -0.01, "lowered"), (-0.1, 0.2, "No change")]
)
def test_a_change_is_claimed_only_where_the_interval_excludes_zero(low: float, high: float, words: str) -> None:
    assert words in reward_sentence(Estimate((low + high) / 2, low, high, 40))


@pytest.mark.parametrize(
    ("licence", "verdict", "words"),
    [("MIT", "clear", "MIT"), (None, "clear", "none needed"), (None, "unclear", "not known")],
)
def test_a_licence_that_nobody_needs_is_not_called_unknown(licence: str | None, verdict: str, words: str) -> None:
    assert licence_words(AncestorVerdict("work", "model", "role", licence, verdict, "why", False)) == words
