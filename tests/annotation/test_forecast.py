from datetime import UTC, datetime, timedelta

import pytest

from steersman.annotation.forecast import FinishRange, Forecast, Range, TasksLeft, WorkDone, forecast

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOTHING_LEFT = TasksLeft(missing=0, undecided=0, decided=10, grown=2, growth=2)


def told(left: TasksLeft, done: WorkDone, *, pay_per_hour: float | None = None) -> Forecast:
    return forecast(left, done, now=NOON, pay_per_hour=pay_per_hour, currency="EUR")


def test_undecided_tasks_grow_as_often_as_decided_ones_did() -> None:
    """Of 98 decided tasks 24 grew: with one of either kind added, 25 in 100; 40 tasks, two annotators more each."""
    left = TasksLeft(missing=120, undecided=40, decided=98, grown=24, growth=2)
    found = told(left, WorkDone([], 0.0, 0, 0.0)).answers_left
    assert found.value == pytest.approx(120 + 0.25 * 40 * 2)
    assert 120 < found.low < found.value < found.high < 120 + 40 * 2


def test_a_design_that_never_grows_needs_what_is_missing() -> None:
    left = TasksLeft(missing=7, undecided=3, decided=5, grown=0, growth=0)
    assert told(left, WorkDone([], 0.0, 0, 0.0)).answers_left == Range(7.0, 7.0, 7.0)


def test_an_even_pace_gives_one_finish() -> None:
    left = TasksLeft(missing=30, undecided=0, decided=5, grown=0, growth=2)
    found = told(left, WorkDone([10, 10, 10, 10], 4.0, 40, 0.0))
    assert found.answers_per_day == Range(10.0, 10.0, 10.0)
    in_three_days = NOON + timedelta(days=3)
    assert found.finish == FinishRange(in_three_days, in_three_days, in_three_days)


def test_uneven_days_make_the_range_of_the_pace_wider() -> None:
    """Days of 0 and 20 answers: mean 10, standard deviation 20/sqrt(3), so an error of 10/sqrt(3) over four days.

    Student's 95 % point for three degrees of freedom is 2.353.
    """
    pace = told(NOTHING_LEFT, WorkDone([0, 20, 0, 20], 4.0, 40, 0.0)).answers_per_day
    assert pace is not None
    reach = 2.3534 * 10 / 3**0.5
    assert (pace.low, pace.value) == (0.0, 10.0)
    assert pace.high == pytest.approx(10 + reach, abs=1e-3)


def test_the_first_days_say_little_of_the_pace() -> None:
    pace = told(NOTHING_LEFT, WorkDone([6], 0.5, 6, 0.0)).answers_per_day
    assert pace == Range(12.0, 6.0, 24.0)


def test_no_end_is_in_sight_when_the_lower_pace_is_nothing() -> None:
    left = TasksLeft(missing=30, undecided=0, decided=5, grown=0, growth=2)
    found = told(left, WorkDone([0, 20, 0, 20], 4.0, 40, 0.0)).finish
    assert found is not None
    assert found.latest is None
    assert found.earliest < found.expected == NOON + timedelta(days=3)


def test_without_any_answer_there_is_no_forecast() -> None:
    left = TasksLeft(missing=30, undecided=10, decided=0, grown=0, growth=2)
    found = told(left, WorkDone([0], 0.0, 0, 0.0), pay_per_hour=20.0)
    assert (found.answers_per_day, found.finish, found.total) == (None, None, None)
    assert found.spent == 0.0


def test_an_end_beyond_ten_years_is_no_forecast() -> None:
    left = TasksLeft(missing=10_000, undecided=0, decided=5, grown=0, growth=2)
    assert told(left, WorkDone([1, 1, 1], 3.0, 3, 0.0)).finish is None


def test_a_finished_project_is_finished_now() -> None:
    assert told(NOTHING_LEFT, WorkDone([], 0.0, 0, 0.0)).finish == FinishRange(NOON, NOON, NOON)


def test_costs_share_all_time_out_over_the_answers_that_count() -> None:
    """Ten answers took two hours with all around them, at 15 an hour: 3 for each, and 20 are to come."""
    left = TasksLeft(missing=20, undecided=0, decided=5, grown=0, growth=2)
    found = told(left, WorkDone([10], 1.0, 10, 7200.0), pay_per_hour=15.0)
    assert (found.hours_spent, found.spent, found.currency) == (2.0, 30.0, "EUR")
    assert found.total == Range(90.0, 90.0, 90.0)


def test_without_a_pay_no_costs_are_told() -> None:
    found = told(NOTHING_LEFT, WorkDone([10], 1.0, 10, 7200.0))
    assert (found.spent, found.total) == (None, None)
