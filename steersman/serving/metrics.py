"""What the server counts, for Prometheus: every series of `GET /metrics` is defined here."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The series of one server; a registry of its own, so that two servers in a process do not add up."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "steersman_requests", "Requests that were answered", ["path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "steersman_request_seconds", "From a request to its answer", ["path"], buckets=_SECONDS, registry=registry
        )
        self.tokens = Counter("steersman_tokens", "Tokens read by the model; a shared prompt once", registry=registry)
        self.dropped_rows = Counter(
            "steersman_dropped_rows", "Rows whose client left before they were scored", registry=registry
        )
        self.ignored_system_turns = Counter(
            "steersman_ignored_system_turns", "System turns that were left out of prompts", registry=registry
        )
        self._rows = Counter("steersman_rows", "Rows taken out of the queue by the model", registry=registry)
        self._batch_rows = Histogram("steersman_batch_rows", "Rows of a batch", buckets=_ROWS, registry=registry)
        self._batch_requests = Histogram(
            "steersman_batch_requests", "Requests of a batch", buckets=_ROWS, registry=registry
        )
        self._batch_seconds = Histogram(
            "steersman_batch_seconds", "Time to score a batch", buckets=_SECONDS, registry=registry
        )
        self._queue_rows = Gauge("steersman_queue_rows", "Rows that wait", registry=registry)

    def watch_queue(self, num_rows: Callable[[], int]) -> None:
        """Ask `num_rows` for the length of the queue whenever it is read."""
        self._queue_rows.set_function(num_rows)

    def observe_batch(self, *, rows: int, requests: int, seconds: float) -> None:
        """Count a batch that was scored, faulty requests among it."""
        self._rows.inc(rows)
        self._batch_rows.observe(rows)
        self._batch_requests.observe(requests)
        self._batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """Return all series in Prometheus' text format."""
        return generate_latest(self._registry)
