"""Live statistics of projects: counted in a thread of their own, read by pages without waiting.

A look at a project starts counting when something has changed since the last count. Progress is counted at most every
second, cleaning after it, and each for at most a tenth of the time: what takes long is done seldom. Where nobody looks,
nothing is counted.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from steersman.errors import SteersmanError
from steersman.store.database.connection import Database, reading
from steersman.store.database.projects import read_project
from steersman.web.live.loading import Loaded, has_changed, load
from steersman.web.live.memory import give_memory_back
from steersman.web.live.snapshot import Snapshot

logger = logging.getLogger(__name__)
_SHORTEST_PAUSE_SECONDS = 1.0
_PAUSE_FACTOR = 9.0
# small projects are counted while the page waits, so that it shows what was just done
_PATIENCE_SECONDS = 0.5


@dataclass(slots=True)
class _Pace:
    """How long something took, and when it may be done again."""

    seconds: float = 0.0
    next_at: float = 0.0

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Measure what is done in the block."""
        start = time.monotonic()
        try:
            yield
        finally:
            end = time.monotonic()
            self.seconds = end - start
            self.next_at = end + max(_SHORTEST_PAUSE_SECONDS, _PAUSE_FACTOR * self.seconds)


@dataclass(slots=True, eq=False)
class _Watched:
    """A project that somebody has looked at; `is_ready` is set while nobody counts.

    `cleaned_event` is the newest event that the figures of cleaning know of.
    """

    project_id: str
    loaded: Loaded | None = None
    snapshot: Snapshot | None = None
    cleaned_event: int | None = None
    error: Exception | None = None
    counting: _Pace = field(default_factory=_Pace)
    cleaning: _Pace = field(default_factory=_Pace)
    is_ready: threading.Event = field(default_factory=threading.Event)


class LiveStatistics:
    """The newest snapshot of each project; safe to use from any thread. `now` gives aware times."""

    def __init__(self, engine: Database, now: Callable[[], datetime]) -> None:
        self._engine, self._now = engine, now
        self._guard = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._wanted: list[_Watched] = []
        self._has_work = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def look(self, project_id: str, *, patience_seconds: float = _PATIENCE_SECONDS) -> Snapshot | None:
        """Return the newest snapshot of a project, None while the first one is still being made.

        Waits up to `patience_seconds` for a new one where that is expected to be enough. Raises UnknownError when there
        is no such project, RunError when the database could not be read for the first snapshot.
        """
        with self._guard:
            watched = self._watched.get(project_id)
        if watched is None:
            with reading(self._engine) as connection:
                read_project(connection, project_id)
            with self._guard:
                watched = self._watched.setdefault(project_id, _Watched(project_id))
        self._want(watched)
        if watched.snapshot is None or watched.counting.seconds + watched.cleaning.seconds < patience_seconds:
            watched.is_ready.wait(patience_seconds)
        if watched.snapshot is None and isinstance(watched.error, SteersmanError):
            raise watched.error
        return watched.snapshot

    def close(self) -> None:
        """Stop counting; waits for what is being counted."""
        with self._guard:
            self._is_closed = True
            self._has_work.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _want(self, watched: _Watched) -> None:
        """Ask for a new snapshot unless one is asked for already, or the last is too fresh."""
        with self._guard:
            if self._is_closed or watched in self._wanted:
                return
            if watched.snapshot is not None and time.monotonic() < watched.counting.next_at:
                return
            watched.is_ready.clear()
            self._wanted.append(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._count_for_ever, name="live statistics", daemon=True)
                self._thread.start()
            self._has_work.notify_all()

    def _count_for_ever(self) -> None:
        while True:
            with self._guard:
                self._has_work.wait_for(lambda: bool(self._wanted) or self._is_closed)
                if self._is_closed:
                    return
                watched = self._wanted[0]
            try:
                self._count(watched)
                watched.error = None
            # the thread must live on: the next look tries again
            except Exception as error:
                logger.exception("the statistics of project %s could not be counted", watched.project_id)
                watched.error = error
            give_memory_back()
            with self._guard:
                self._wanted.remove(watched)
                watched.is_ready.set()

    def _count(self, watched: _Watched) -> None:
        # here, in the thread that needs it: scipy takes a second to load, and a server must start at once
        from steersman.web.live.counting import recounted, snapshot_of

        with watched.counting.kept():
            loaded = self._load(watched, now=self._now())
            shown = watched.snapshot
            if shown is not None:
                # where nothing was done since the ratings were cleaned, cleaning would say the same now
                is_clean = watched.cleaned_event == loaded.event
                watched.snapshot = recounted(shown, loaded, is_clean=is_clean)
        if watched.cleaned_event != loaded.event and time.monotonic() >= watched.cleaning.next_at:
            with watched.cleaning.kept():
                watched.snapshot = snapshot_of(self._engine, loaded, project_id=watched.project_id)
                watched.cleaned_event = loaded.event

    def _load(self, watched: _Watched, *, now: datetime) -> Loaded:
        before = watched.loaded
        if before is not None and not has_changed(self._engine, before):
            watched.loaded = replace(before, as_of=now)
        else:
            watched.loaded = load(self._engine, watched.project_id, before=before, now=now)
        return watched.loaded
