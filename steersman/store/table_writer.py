"""Write a table whose rows come a frame at a time from code that writes others at the same time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Full, Queue

import polars as pl

from steersman.store.files import write_rows_stream

_FRAMES_WAITING = 2
_LOOK_SECONDS = 0.05


class _AbandonedError(Exception):
    """The writer was left by an error, so that its file must not come into place."""


class TableWriter:
    """Takes the frames of one table, in order; a thread of its own writes them, at most two frames behind."""

    def __init__(self) -> None:
        self._frames: Queue[pl.DataFrame | _AbandonedError | None] = Queue(_FRAMES_WAITING)
        self._written: Future[None] = Future()

    def write(self, frame: pl.DataFrame) -> None:
        """Add the rows of `frame`; raises what went wrong with the file since the last call."""
        self._put(frame)
        if self._written.done():
            self._written.result()

    def _put(self, item: pl.DataFrame | _AbandonedError | None) -> None:
        # a thread that has ended takes nothing more: do not wait for it
        while not self._written.done():
            try:
                self._frames.put(item, timeout=_LOOK_SECONDS)
            except Full:
                continue
            return

    def _taken(self) -> Iterator[pl.DataFrame]:
        while (item := self._frames.get()) is not None:
            if isinstance(item, _AbandonedError):
                raise item
            yield item


@contextmanager
def open_table(path: Path) -> Iterator[TableWriter]:
    """Give a writer of the table at `path`, which comes into place as `write_rows_stream` says once the block ends.

    When the block ends by an error, nothing comes into place.
    """
    writer = TableWriter()
    with ThreadPoolExecutor(1) as pool:
        writer._written = pool.submit(write_rows_stream, path, writer._taken())
        try:
            yield writer
        except BaseException:
            writer._put(_AbandonedError())
            raise
        writer._put(None)
        writer._written.result()
