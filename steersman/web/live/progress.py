"""How far a project is, how fast it goes and when it will be finished, from what was loaded."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from steersman.annotation.forecast import Forecast, TasksLeft, WorkDone, forecast
from steersman.store.database.task_statistics import TaskCount
from steersman.web.live.loading import KINDS, Loaded
from steersman.web.live.snapshot import Answers, Delivery, Progress, Throughput

_DAYS = 14
# the pace is that of the last week: people come and go
_PACE_DAYS = 7
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def progress_of(counts: Iterable[TaskCount]) -> Progress:
    """Return the sums of tasks that were counted apart."""
    all_counts = list(counts)

    def total(which: Iterable[TaskCount]) -> int:
        return sum(each.tasks for each in which)

    ended = [each for each in all_counts if each.is_ended]
    finished = [each for each in all_counts if each.is_finished and not each.is_ended]
    is_open = [each for each in all_counts if not each.is_finished and not each.is_ended]
    return Progress(
        tasks=total(all_counts),
        finished=total(finished),
        ended=total(ended),
        open=total(is_open),
        in_work=total(each for each in is_open if each.is_begun),
        grown=total(each for each in all_counts if each.has_grown),
        answers=sum(each.answers for each in all_counts),
    )


def deliveries_of(counts: Sequence[TaskCount]) -> tuple[Delivery, ...]:
    """Return the progress of each delivery by name, tasks without one last."""
    names = sorted({each.delivery for each in counts}, key=lambda name: (name is None, name or ""))
    return tuple(Delivery(name, progress_of(each for each in counts if each.delivery == name)) for name in names)


def answers_of(loaded: Loaded) -> Answers:
    """Return how many answers of each sort there are."""
    answers, is_rating = loaded.answers, loaded.kind == KINDS.index("rating")
    is_kept = ~loaded.is_undone & ~loaded.is_rejected
    counts = loaded.counts_now
    kinds = np.bincount(loaded.kind[is_kept], minlength=len(KINDS)).tolist()
    return Answers(
        ratings=int((answers.scores[counts] >= 0).any(axis=2).sum()),
        flagged=int((counts & answers.is_flagged).sum()),
        surplus=int((is_rating & is_kept & answers.is_surplus).sum()),
        undone=int((is_rating & loaded.is_undone).sum()),
        rejected=int((is_rating & loaded.is_rejected).sum()),
        gold=kinds[KINDS.index("gold")],
        training=kinds[KINDS.index("training")],
        qualification=kinds[KINDS.index("qualification")],
    )


def throughput_of(loaded: Loaded) -> Throughput:
    """Return the answers of the last days and hours, up to the hour and day of `as_of`."""
    times = loaded.answers.time[loaded.counts_now]
    now = loaded.as_of.astimezone(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    days = [day - _DAY * back for back in range(_DAYS - 1, -1, -1)]
    hours = [hour - _HOUR * back for back in range(_DAYS * 24 - 1, -1, -1)]
    return Throughput(
        days=tuple(zip((each.date() for each in days), _histogram(times, days, width=_DAY), strict=True)),
        hours=tuple(zip(hours, _histogram(times, hours, width=_HOUR), strict=True)),
    )


def forecast_of(loaded: Loaded) -> Forecast:
    """Return when the project will be finished, and what it costs."""
    overlap, pay = loaded.settings.overlap, loaded.settings.pay
    is_open = [each for each in loaded.counts if not each.is_finished and not each.is_ended]
    decided = [each for each in loaded.counts if each.has_first or each.has_grown]
    left = TasksLeft(
        missing=sum(each.missing for each in is_open),
        undecided=sum(each.tasks for each in is_open if not each.has_first and not each.has_grown),
        decided=sum(each.tasks for each in decided),
        grown=sum(each.tasks for each in decided if each.has_grown),
        growth=overlap.most - overlap.first,
    )
    return forecast(left, _work_done(loaded), now=loaded.as_of, pay_per_hour=pay.per_hour, currency=pay.currency)


def _work_done(loaded: Loaded) -> WorkDone:
    counts = loaded.counts_now
    times = loaded.answers.time[counts]
    now = loaded.as_of.astimezone(UTC)
    start = max(_microseconds(now - _DAY * _PACE_DAYS), int(times.min())) if times.size else _microseconds(now)
    # whole days back from now, so that every day is as long
    elapsed = (_microseconds(now) - start) / _microseconds(_START + _DAY)
    days = [now - _DAY * back for back in range(max(1, int(np.ceil(elapsed))), 0, -1)]
    return WorkDone(
        per_day=_histogram(times, days, width=_DAY),
        elapsed_days=elapsed,
        answers=int(counts.sum()),
        seconds=float(loaded.answers.seconds.sum()),
    )


def _histogram(times: npt.NDArray[np.int64], starts: Sequence[datetime], *, width: timedelta) -> list[int]:
    """Return how many of the times lie in each of adjoining spans, the last one open to later ones."""
    first, length = _microseconds(starts[0]), width // _MICROSECOND
    places = np.minimum((times[times >= first] - first) // length, len(starts) - 1)
    return [int(each) for each in np.bincount(places, minlength=len(starts))]


def _microseconds(moment: datetime) -> int:
    return (moment - _START) // _MICROSECOND
