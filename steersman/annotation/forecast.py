"""When a project will be finished and what it will cost, each with a range.

Answers still to come: what open tasks lack, and for each task whose first annotators are not all in the chance that
they will disagree, taken from the tasks where they are (a Beta distribution with one task of either kind added). The
pace is the mean of the last days, and its range follows from how much those days differ. The early end of the finish
has few answers to come at a high pace, the late end many at a low one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy.special import betaincinv, stdtrit

_TAIL = 0.05
_FEWEST_DAYS = 3
# with fewer days nothing is known of how they differ
_UNSURE_FACTOR = 2.0
_LONGEST = timedelta(days=3650)
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Range:
    """A figure with the ends of its 90 % range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FinishRange:
    """When the last answer is due; `latest` None means that no end is in sight at the lower pace."""

    expected: datetime
    earliest: datetime
    latest: datetime | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is still to come; None is not known yet.

    `answers_left` and `answers_per_day` lead to `finish`; costs are `spent` up to now and in `total` at the end, None
    without a pay. `hours_spent` is the time annotators were at work, all kinds of tasks.
    """

    answers_left: Range
    answers_per_day: Range | None
    finish: FinishRange | None
    hours_spent: float
    spent: float | None
    total: Range | None
    currency: str


@dataclass(frozen=True, slots=True)
class TasksLeft:
    """What open rating tasks lack.

    `missing` answers to reach what each needs now; `undecided` tasks whose first annotators are not all in, of which
    each may need `growth` more; `decided` tasks whose first annotators are in, `grown` of them disagreed.
    """

    missing: int
    undecided: int
    decided: int
    grown: int
    growth: int


@dataclass(frozen=True, slots=True)
class WorkDone:
    """Answers that count by day, oldest first, from the first day with any; `elapsed_days` is their length in days.

    `answers` count in all; `seconds` annotators were at work for them, and for everything around them.
    """

    per_day: Sequence[int]
    elapsed_days: float
    answers: int
    seconds: float


def forecast(left: TasksLeft, done: WorkDone, *, now: datetime, pay_per_hour: float | None, currency: str) -> Forecast:
    """Return what is still to come after what was done."""
    answers_left = _answers_left(left)
    pace = _pace(done)
    hours = done.seconds / _SECONDS_PER_HOUR
    spent = None if pay_per_hour is None else hours * pay_per_hour
    return Forecast(
        answers_left=answers_left,
        answers_per_day=pace,
        finish=_finish(answers_left, pace, now=now),
        hours_spent=hours,
        spent=spent,
        total=_total(answers_left, done, spent=spent),
        currency=currency,
    )


def _answers_left(left: TasksLeft) -> Range:
    disagreed, agreed = left.grown + 1.0, left.decided - left.grown + 1.0
    shares = (disagreed / (disagreed + agreed), *(float(betaincinv(disagreed, agreed, p)) for p in (_TAIL, 1 - _TAIL)))
    expected, low, high = (left.missing + share * left.undecided * left.growth for share in shares)
    return Range(expected, low, high)


def _pace(done: WorkDone) -> Range | None:
    if not any(done.per_day) or done.elapsed_days <= 0:
        return None
    days = np.asarray(done.per_day, dtype=np.float64)
    pace = float(days.sum()) / done.elapsed_days
    if days.size < _FEWEST_DAYS:
        return Range(pace, pace / _UNSURE_FACTOR, pace * _UNSURE_FACTOR)
    error = float(days.std(ddof=1)) / math.sqrt(days.size)
    reach = float(stdtrit(days.size - 1, 1 - _TAIL)) * error
    return Range(pace, max(0.0, pace - reach), pace + reach)


def _finish(left: Range, pace: Range | None, *, now: datetime) -> FinishRange | None:
    if left.high == 0:
        return FinishRange(now, now, now)
    if pace is None:
        return None
    expected = _after(now, left.value, per_day=pace.value)
    earliest = _after(now, left.low, per_day=pace.high)
    if expected is None or earliest is None:
        return None
    return FinishRange(expected, earliest, _after(now, left.high, per_day=pace.low))


def _after(now: datetime, answers: float, *, per_day: float) -> datetime | None:
    """Return when so many answers will have come, None when that is beyond ten years."""
    if answers > per_day * (_LONGEST / timedelta(days=1)):
        return None
    return now if answers == 0 else now + timedelta(days=answers / per_day)


def _total(left: Range, done: WorkDone, *, spent: float | None) -> Range | None:
    if spent is None or done.answers == 0:
        return None
    # tests, gold tasks and surplus answers are paid too: their time is shared out over the answers that count
    per_answer = spent / done.answers
    return Range(*(spent + per_answer * answers for answers in (left.value, left.low, left.high)))
