"""Slow down whoever guesses passwords: few failed tries per account and per address in a quarter of an hour."""

import math
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
MAX_OF_ACCOUNT = 5
MAX_OF_ADDRESS = 30


class Throttle:
    """The tries that run in this process: each may still fail, so that many at once cannot pass a limit together."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: Counter[str] = Counter()

    @contextmanager
    def trying(self, *keys: str) -> Iterator[list[int]]:
        """Count a try under each key while the block runs, and give how many others run under each."""
        with self._guard:
            others = [self._running[key] for key in keys]
            self._running.update(keys)
        try:
            yield others
        finally:
            with self._guard:
                self._running.subtract(keys)
                # names that were tried once are not kept
                self._running += Counter()


def wait_seconds(failures: Sequence[datetime], *, limit: int, now: datetime) -> int:
    """Return for how long no further try is heard; 0 when one is. `failures` are of the window, newest first.

    `limit` failures close the door until the oldest of them leaves the window. The wait is never longer than the
    window, whatever was done to the clock.
    """
    if limit < 1:
        return 1
    if len(failures) < limit:
        return 0
    left = (failures[limit - 1] + WINDOW - now).total_seconds()
    return min(max(1, math.ceil(left)), int(WINDOW.total_seconds()))
