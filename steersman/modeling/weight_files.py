"""The weights of a model folder, tensor by tensor: of a model larger than the memory, one file is open at a time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steersman.errors import PluginError


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Where the tensors of a model folder lie: the safetensors file of each, and its shape, by name."""

    folder: Path
    file_of: Mapping[str, str]
    shape_of: Mapping[str, tuple[int, ...]]

    def names_in(self, file: str) -> list[str]:
        """Return the names of the tensors in one file."""
        return [name for name, each in self.file_of.items() if each == file]

    def read(self, names: Collection[str]) -> dict[str, torch.Tensor]:
        """Return some tensors by name."""
        tensors: dict[str, torch.Tensor] = {}
        for file in sorted({self.file_of[name] for name in names}):
            with safe_open(self.folder / file, framework="pt") as opened:
                tensors |= {name: opened.get_tensor(name) for name in self.names_in(file) if name in names}
        return tensors


def weight_files(folder: Path) -> WeightFiles:
    """Return where the tensors in `folder` lie; their numbers are not read.

    Raises PluginError when there is no safetensors file, one is damaged, or a name stands in two of them.
    """
    file_of: dict[str, str] = {}
    shape_of: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, shape in _shapes_in(path).items():
            if name in file_of:
                raise PluginError(f"{folder}: {name} stands in {file_of[name]} and in {path.name}; keep one of the two")
            file_of[name], shape_of[name] = path.name, shape
    if not file_of:
        raise PluginError(f"{folder}: no weights in *.safetensors; save the model by save_pretrained of transformers")
    return WeightFiles(folder, file_of, shape_of)


def write_weights(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as one file of a model folder, as transformers reads them."""
    save_file(dict(tensors), path, metadata={"format": "pt"})


def _shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise PluginError(f"{path}: damaged ({error}); download or train the model again") from error
