"""Arrays by key on disk: the cache of activations, features and log-probabilities."""

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steersman.store.files import write_bytes


class FolderArrayStore:
    """An `ArrayStore` with one .npy file per key; a file is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.npy"

    def get(self, key: str) -> npt.NDArray[np.generic] | None:
        """Return the array under `key`, or None when it was never kept or cannot be read."""
        try:
            array: npt.NDArray[np.generic] = np.load(self._path(key), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            return None
        return array

    def put(self, key: str, array: npt.NDArray[np.generic]) -> None:
        """Keep `array` under `key`, in place of what was there."""
        write_array(self._path(key), array)


def write_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write `array` as the .npy file `path` in one step."""
    # through memory: numpy's own writing to a file reports a full disk without saying that it is one
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())
