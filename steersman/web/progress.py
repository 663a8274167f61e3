"""How far a project is, counted now and then: every page shows it, and counting takes longer the larger it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from steersman.store.database.connection import Database, reading
from steersman.store.database.tasks import TaskCounts, count_tasks

_LASTS_SECONDS = 5.0
# counting takes at most this share of one processor
_MAX_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class _Kept:
    counts: TaskCounts
    until: float


@dataclass(slots=True)
class ProgressBoard:
    """The counts of every project, a few seconds old at most, or longer where counting takes long."""

    engine: Database
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _counting: Lock = field(default_factory=Lock)

    def counts(self, project_id: str) -> TaskCounts:
        """Return the counts of a project."""
        kept = self._kept.get(project_id)
        if kept is not None and (self.clock() < kept.until or not self._counting.acquire(blocking=False)):
            return kept.counts
        if kept is None:
            self._counting.acquire()
        try:
            return self._counted(project_id)
        finally:
            self._counting.release()

    def _counted(self, project_id: str) -> TaskCounts:
        began = self.clock()
        with reading(self.engine) as connection:
            counts = count_tasks(connection, project_id)
        ended = self.clock()
        self._kept[project_id] = _Kept(counts, ended + max(_LASTS_SECONDS, (ended - began) / _MAX_SHARE))
        return counts
