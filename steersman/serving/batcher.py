"""The queue before the model, and the one thread that owns the model.

Requests are futures. A cancelled one leaves the queue at once; a faulty one fails alone, for its batch is then scored
request by request.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from steersman.errors import SteersmanError
from steersman.protocols import Scorer
from steersman.serving.batching import (
    BatchLimits,
    Scores,
    no_numbers,
    num_taken,
    parts,
    retry_after_seconds,
    score_alone,
    score_together,
)
from steersman.serving.faults import ModelFaultError, QueueFullError, RequestTooLargeError, StoppingError
from steersman.serving.metrics import Metrics
from steersman.serving.rows import Rows

logger = logging.getLogger(__name__)
CheckPrompts = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    rows: Rows
    answer: Future[Scores]
    arrived: float
    num_rows: int
    num_characters: int


class Batcher:
    """Scores requests in batches, from `start` until `stop`; what it does is told to `metrics`."""

    def __init__(
        self, scorer: Scorer, *, limits: BatchLimits, metrics: Metrics, check: CheckPrompts | None = None
    ) -> None:
        """Score by `scorer`; `check` raises DataError for the prompts of a request that it could not score alone."""
        self._scorer = scorer
        self._check = check
        self._limits = limits
        self._metrics = metrics
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._rows_per_second = 0.0
        self._thread = threading.Thread(target=self._work, name="reward-model", daemon=True)
        metrics.watch_queue(lambda: self.num_queued_rows)

    @property
    def num_queued_rows(self) -> int:
        """Rows that wait; those being scored are not among them."""
        with self._changed:
            return self._num_waiting()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs that owns the model."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self.is_alive and not self._is_stopping

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests and refuse those that wait; the batch that runs is finished."""
        with self._changed:
            self._is_stopping = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
        for job in waiting:
            if job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(StoppingError("the server is stopping; send the request again later"))

    def join(self) -> None:
        """Wait for the batch that runs; call `stop` first."""
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, rows: Rows) -> Future[Scores]:
        """Return the future scores of a request; cancel it to take its rows out of the queue.

        Raises StoppingError outside of `start` and `stop`, QueueFullError when too many rows wait,
        RequestTooLargeError for a request that not even an empty queue holds, DataError as `check` does.
        """
        if self._check is not None:
            # here, for rows of others in its batch might make up what a request lacks
            self._check(rows.prompts)
        job = _Job(rows, Future(), time.monotonic(), len(rows.prompts), rows.num_characters)
        if job.num_rows > self._limits.max_queue_rows:
            raise RequestTooLargeError(
                f"the queue of this server holds {self._limits.max_queue_rows} rows, got {job.num_rows};"
                " send them in parts"
            )
        with self._changed:
            if not self.is_ready:
                raise StoppingError("the server takes no requests now; send the request again later")
            self._check_room(job)
            self._jobs.append(job)
            self._changed.notify_all()
        job.answer.add_done_callback(lambda _: self._forget(job))
        return job.answer

    def _num_waiting(self) -> int:
        return sum(job.num_rows for job in self._jobs)

    def _check_room(self, job: _Job) -> None:
        num_waiting = self._num_waiting()
        num_characters = sum(each.num_characters for each in self._jobs) + job.num_characters
        has_room = num_waiting + job.num_rows <= self._limits.max_queue_rows
        if has_room and num_characters <= self._limits.max_queue_characters:
            return
        seconds = retry_after_seconds(num_waiting, rows_per_second=self._rows_per_second)
        raise QueueFullError(
            f"the queue is full: {num_waiting} rows wait, it holds {self._limits.max_queue_rows} rows or"
            f" {self._limits.max_queue_characters} characters; try again in {seconds} s",
            retry_after_seconds=seconds,
        )

    def _forget(self, job: _Job) -> None:
        if not job.answer.cancelled():
            return
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
        self._metrics.dropped_rows.inc(job.num_rows)

    def _work(self) -> None:
        while (jobs := self._next_batch()) is not None:
            running = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if running:
                self._score(running)

    def _next_batch(self) -> list[_Job] | None:
        """Return the requests to score next, None at the end; waits for the first and, from its arrival, for others."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_stopping)
            if not self._is_stopping:
                deadline = self._jobs[0].arrived + self._limits.batch_wait_seconds
                self._changed.wait_for(self._is_batch_full, timeout=max(0.0, deadline - time.monotonic()))
            if self._is_stopping:
                return None
            sizes = [job.num_rows for job in self._jobs]
            return [self._jobs.popleft() for _ in range(num_taken(sizes, max_rows=self._limits.max_batch_rows))]

    def _is_batch_full(self) -> bool:
        return self._is_stopping or self._num_waiting() >= self._limits.max_batch_rows

    def _score(self, jobs: Sequence[_Job]) -> None:
        began = time.monotonic()
        try:
            scored = score_together(self._scorer, [job.rows for job in jobs])
        except Exception:  # noqa: BLE001  # one of them is at fault, and nobody knows which
            for job in jobs:
                self._score_alone(job)
        else:
            for job, scores in zip(jobs, parts(scored, sizes=[job.num_rows for job in jobs]), strict=True):
                _give(scores, job=job)
            self._metrics.tokens.inc(scored.num_tokens)
        num_rows = sum(job.num_rows for job in jobs)
        seconds = time.monotonic() - began
        self._rows_per_second = num_rows / seconds if seconds > 0 else 0.0
        self._metrics.observe_batch(rows=num_rows, requests=len(jobs), seconds=seconds)

    def _score_alone(self, job: _Job) -> None:
        try:
            scored = score_alone(self._scorer, job.rows)
        except SteersmanError as error:
            job.answer.set_exception(error)
        except Exception:  # the boundary of the thread: it goes on with the next request, and the log has the fault
            logger.exception("the model failed on a request of %d rows", job.num_rows)
            job.answer.set_exception(ModelFaultError("the model failed on these rows; the log of the server says why"))
        else:
            _give(next(parts(scored, sizes=[job.num_rows])), job=job)
            self._metrics.tokens.inc(scored.num_tokens)


def _give(scores: Scores, *, job: _Job) -> None:
    rows = no_numbers(scores)
    if not rows:
        job.answer.set_result(scores)
        return
    job.answer.set_exception(ModelFaultError(f"the model gave no number for rows {', '.join(map(str, rows))}"))
