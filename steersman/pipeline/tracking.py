"""Where the metrics of a training go: metrics.jsonl in its run folder, and the trackers its config names."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from steersman.backends.trackers import open_trackers
from steersman.config.engine import Tracker as TrackerName
from steersman.config.loading import Settings
from steersman.engine.processes import is_first
from steersman.protocols import Metrics
from steersman.store.files import append_jsonl
from steersman.store.runs import METRICS_FILE

_STEP = "step"


@contextmanager
def logged_metrics(
    folder: Path, *, prefix: str, trackers: Sequence[TrackerName], settings: Settings, after_step: int = 0
) -> Iterator[Callable[[Metrics], None]]:
    """Give the function that keeps the metrics of a step, of which "step" is one, under the names of `named`.

    `settings` are what trackers show of the run; a training that goes on logs steps above `after_step`. Of several
    processes the first alone opens trackers.
    """
    shown = settings.model_dump(mode="json")
    opened = open_trackers(trackers if is_first() else (), folder=folder, settings=shown, after_step=after_step)

    def log(metrics: Metrics) -> None:
        step = int(metrics[_STEP])
        found = named(metrics, prefix=prefix)
        append_jsonl(folder / METRICS_FILE, {_STEP: step, **found})
        for tracker in opened:
            tracker.log(step, found)

    try:
        yield log
    finally:
        for tracker in opened:
            tracker.close()


def named(metrics: Metrics, *, prefix: str) -> dict[str, float]:
    """Return all but "step" under the names they are kept by: "loss" is "<prefix>/validation_loss", and so on."""
    return {
        f"{prefix}/validation_{name}" if name in ("loss", "accuracy") else f"{prefix}/{name}": value
        for name, value in metrics.items()
        if name != _STEP
    }
