"""The best weights of a training so far, out of the way of the training itself."""

from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

import numpy as np
import torch

from steersman.engine.processes import rank
from steersman.engine.sharding import is_split
from steersman.errors import RunError


class BestWeights:
    """Holds a copy of weights: in a file of `folder` where they lie whole in the processor's memory, else beside them.

    That memory is what a training on a CPU is short of; on a device, and split over several, the copy stays there.
    Each process holds its own. Without a folder, or where the file cannot be written, the copy is in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / f".best-{rank()}"
        self._values: list[torch.Tensor] = []

    def keep(self, weights: Sequence[torch.Tensor]) -> None:
        """Hold the values that `weights` have now, in place of those before."""
        self._values = [] if self._is_written(weights) else [each.detach().clone() for each in weights]

    def _is_written(self, weights: Sequence[torch.Tensor]) -> bool:
        if self._file is None or any(is_split(each) or each.device.type != "cpu" for each in weights):
            return False
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("wb") as file:
                for each in weights:
                    file.write(_bytes(each.detach().contiguous()))
        except OSError:
            # a full disk costs memory, and no training
            with suppress(OSError):
                self._file.unlink()
            return False
        return True

    def values(self, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return what is held of `weights`, in their order; do not write to it."""
        if self._file is None or self._values:
            return self._values
        # a map of the file: pages are read as they are asked for, and given back when memory is short
        whole = np.memmap(self._file, dtype=np.uint8, mode="c")
        ends = np.cumsum([each.nbytes for each in weights])
        parts = np.split(whole, ends[:-1])
        return [
            torch.from_numpy(part).view(each.dtype).view(each.shape) for part, each in zip(parts, weights, strict=True)
        ]

    def put_back(self, weights: Sequence[torch.Tensor]) -> None:
        """Give `weights` the values that are held; a file is read straight into them, without a second copy.

        Raises RunError when the file cannot be read.
        """
        with torch.no_grad():
            if self._file is None or self._values:
                for each, value in zip(weights, self._values, strict=True):
                    each.copy_(value)
                return
            try:
                with self._file.open("rb") as file:
                    for each in weights:
                        _read(file, each)
            except OSError as error:
                raise RunError(f"{self._file}: the best weights cannot be read ({error}); train again") from error

    def remove(self) -> None:
        """Hold nothing any more; a folder that is empty then goes, too."""
        self._values = []
        if self._file is not None and self._file.exists():
            self._file.unlink()
            # other processes' files, or checkpoints
            with suppress(OSError):
                self._file.parent.rmdir()


def _read(file: BufferedReader, weight: torch.Tensor) -> None:
    value = weight.detach().contiguous()
    if file.readinto(_bytes(value)) != value.nbytes:
        raise OSError("the file is too short")
    # nothing to do where the weight itself was read into
    weight.copy_(value)


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.view(-1).view(torch.uint8).numpy().data
