"""The best weights of a training so far, out of the way of the training itself."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from steersman.engine.processes import rank
from steersman.engine.sharding import is_split
from steersman.errors import RunError


class BestWeights:
    """Holds a copy of weights: in a file of `folder` where they lie whole in the processor's memory, else beside them.

    That memory is what a training on a CPU is short of; on a device, and split over several, the copy stays there.
    Each process holds its own. Without a folder the copy is in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / f".best-{rank()}.pt"
        self._values: list[torch.Tensor] = []

    def keep(self, weights: Sequence[torch.Tensor]) -> None:
        """Hold the values that `weights` have now, in place of those before; RunError when they cannot be written."""
        values = [each.detach() for each in weights]
        if self._file is None or any(is_split(each) or each.device.type != "cpu" for each in weights):
            self._values = [each.clone() for each in values]
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(values, self._file)
        # torch's writer raises a RuntimeError where the disk is full
        except (OSError, RuntimeError) as error:
            raise RunError(f"{self._file}: the best weights cannot be written ({error}); is the disk full?") from error

    def values(self) -> list[torch.Tensor]:
        """Return what is held, in order; do not write to it."""
        if self._file is None or self._values:
            return self._values
        found: list[torch.Tensor] = torch.load(self._file, mmap=True, weights_only=True)
        return found

    def remove(self) -> None:
        """Hold nothing any more; a folder that is empty then goes, too."""
        self._values = []
        if self._file is not None and self._file.exists():
            self._file.unlink()
            # other processes' files, or checkpoints
            with suppress(OSError):
                self._file.parent.rmdir()
