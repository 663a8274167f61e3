"""Which tasks a reviewer should look at first."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import numpy.typing as npt

from steersman.dataset.disputes import helpfulness_in_order, task_disputes
from steersman.store.database.task_statistics import NamedTask
from steersman.web.live.cleaning import RULES, Cleaned
from steersman.web.live.loading import Loaded
from steersman.web.live.snapshot import DisputedTask, Queue

MOST_SHOWN = 200
NameTasks = Callable[[Sequence[int]], Mapping[int, NamedTask]]


def queue_of(
    loaded: Loaded,
    cleaned: Cleaned,
    *,
    over: npt.NDArray[np.int64],
    settled: AbstractSet[int],
    name_tasks: NameTasks,
) -> Queue:
    """Return the queue; `over` are the keys of tasks without open places, `settled` of those a reviewer decided on."""
    keys = cleaned.order.tasks
    disputes = task_disputes(cleaned.rated.grid, cleaned.stages)
    is_over = np.isin(keys, over)
    flags = _flags(loaded, keys)
    is_dropped = np.array([reason is not None for reason in disputes.reasons], dtype=np.bool_)
    is_disputed = is_over & (disputes.spread > RULES.max_spread)
    places = np.flatnonzero(is_disputed | (is_over & (is_dropped | (flags > 0))))
    is_settled = np.isin(keys, np.array(sorted(settled), dtype=np.int64))
    ordered = places[np.lexsort((-flags[places], -disputes.spread[places], is_settled[places]))][:MOST_SHOWN]
    named = name_tasks(keys[ordered].tolist())
    return Queue(
        tasks=tuple(
            DisputedTask(
                task_id=named[key].task_id,
                spread=int(disputes.spread[place]),
                helpfulness=_helpfulness(cleaned, place),
                dropped=disputes.reasons[place],
                flags=int(flags[place]),
                is_ended=named[key].is_ended,
                is_settled=bool(is_settled[place]),
            )
            for place, key in zip(ordered.tolist(), keys[ordered].tolist(), strict=True)
        ),
        total=places.size,
        disputed=int(is_disputed.sum()),
        dropped=_counted(disputes.reasons[place] for place in np.flatnonzero(is_over & is_dropped).tolist()),
    )


def _flags(loaded: Loaded, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many counting answers flag each task."""
    flagged = loaded.answers.task[loaded.counts_now & loaded.answers.is_flagged]
    order = np.argsort(keys)
    places = order[np.searchsorted(keys, flagged, sorter=order)]
    return np.bincount(places, minlength=keys.size)


def _counted(reasons: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(reason for reason in reasons if reason is not None).most_common())


def _helpfulness(cleaned: Cleaned, place: int) -> tuple[tuple[int, ...], ...]:
    """Return the ratings of a task's responses in the order of their slots."""
    shown = tuple(helpfulness_in_order(cleaned.rated.grid, 2 * place + number) for number in (0, 1))
    return shown if cleaned.order.first_slot[place] == 0 else shown[::-1]
