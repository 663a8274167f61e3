"""Where people watch a training: TensorBoard's event files and Weights & Biases, each behind an extra of its name.

metrics.jsonl is kept in any case; a tracker is one more place.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steersman.config.engine import Tracker as TrackerName
from steersman.errors import PluginError
from steersman.protocols import Metrics, Tracker

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter
    from wandb.sdk.wandb_run import Run

TENSORBOARD_FOLDER = "tensorboard"
WANDB_FOLDER = "wandb"
_WANDB_PROJECT = "steersman"


class TensorBoardTracker:
    """Writes scalars to event files; `tensorboard --logdir` over the run folder shows them."""

    def __init__(self, writer: "SummaryWriter") -> None:
        self._writer = writer

    def log(self, step: int, metrics: Metrics) -> None:
        """Write each metric as a scalar."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, global_step=step)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


class WandbTracker:
    """Sends metrics to Weights & Biases, or keeps them in the run folder where WANDB_MODE is offline."""

    def __init__(self, run: "Run") -> None:
        self._run = run

    def log(self, step: int, metrics: Metrics) -> None:
        """Log the metrics of a step together."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Finish the run; online, this waits until all is sent."""
        self._run.finish()


def open_trackers(
    names: Sequence[TrackerName], *, folder: Path, settings: Mapping[str, object], after_step: int = 0
) -> list[Tracker]:
    """Return the trackers called `names` for the run in `folder`, whose settings they show where they can.

    A training that goes on logs steps above `after_step`: what an earlier attempt logged above it is struck out.
    Raises PluginError when a tracker's package is missing or it cannot start; those opened before are closed then.
    """
    opened: list[Tracker] = []
    try:
        for name in names:
            opened.append(_OPEN[name](folder, settings, after_step))
    except PluginError:
        for tracker in opened:
            tracker.close()
        raise
    return opened


def _open_tensorboard(folder: Path, settings: Mapping[str, object], after_step: int) -> Tracker:
    del settings
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise _missing("tensorboard", error) from error
    return TensorBoardTracker(
        SummaryWriter(folder / TENSORBOARD_FOLDER, purge_step=after_step + 1 if after_step else None)
    )


def _open_wandb(folder: Path, settings: Mapping[str, object], after_step: int) -> Tracker:
    del after_step  # Weights & Biases itself ignores steps it has seen
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise _missing("wandb", error) from error
    quiet = wandb.Settings(console="off", silent=True)
    try:
        run = wandb.init(project=_WANDB_PROJECT, name=folder.name, dir=folder, config=dict(settings), settings=quiet)
    except wandb.Error as error:
        words = "log in with `wandb login`, or keep the metrics on this machine with WANDB_MODE=offline"
        raise PluginError(f"Weights & Biases cannot start ({error}); {words}") from error
    return WandbTracker(run)


def _missing(extra: str, error: ModuleNotFoundError) -> PluginError:
    return PluginError(f"the tracker {extra!r} needs {error.name}: pip install 'steersman[{extra}]'")


_OPEN: Mapping[TrackerName, Callable[[Path, Mapping[str, object], int], Tracker]] = {
    "tensorboard": _open_tensorboard,
    "wandb": _open_wandb,
}
