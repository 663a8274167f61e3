"""Checkpoints that a stopped training goes on from, to the same bits, with any number of processes.

A checkpoint is the folder `step-N`: the weights that move, their best values and AdamW's state by
torch.distributed.checkpoint, every process its part, and the rest in `standing.json`. It gets its name once it is
whole, and only then is the one before removed. Which groups come next follows from the step and the seed.
"""

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from steersman.engine.best import BestWeights
from steersman.engine.processes import is_first, of_all, of_first, rank
from steersman.engine.standing import Standing
from steersman.engine.step import parameters_of
from steersman.errors import RunError

_STANDING_FILE = "standing.json"
_NAME = re.compile(r"step-(\d+)")


def keep_checkpoint(folder: Path, model: nn.Module, optimiser: torch.optim.AdamW, standing: Standing) -> None:
    """Write where the training of `model` stands into `folder`, in place of the checkpoint before.

    Every process calls it. Raises RunError when it cannot be written.
    """
    place = folder / f"step-{standing.step}"
    half = folder / f".{place.name}.partial"
    randomness = of_all(_randomness())
    with _explained(folder):
        tensors = _tensors(model, optimiser, standing.kept.values(parameters_of(optimiser)))
        tensors |= {
            f"random.{index}.{name}": value for index, each in enumerate(randomness) for name, value in each.items()
        }
        if is_first():
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(parents=True)
        of_first(None)
        with _quiet():
            save(tensors, checkpoint_id=half)
        if is_first():
            _write(half / _STANDING_FILE, standing.numbers())
            half.rename(place)
            for step, old in _checkpoints(folder):
                if step != standing.step:
                    shutil.rmtree(old)


def restored(
    folder: Path | None, model: nn.Module, optimiser: torch.optim.AdamW, *, kept: BestWeights
) -> Standing | None:
    """Put `model`, `optimiser` and `kept` where the newest checkpoint in `folder` left them; None when there is none.

    Every process calls it. Raises RunError when the checkpoint cannot be read.
    """
    newest = of_first(max(_checkpoints(folder), default=None) if folder is not None and is_first() else None)
    if newest is None:
        return None
    _, place = newest
    with _explained(place):
        found = json.loads((place / _STANDING_FILE).read_text(encoding="utf-8"))
        best = [torch.empty_like(parameter.detach()) for parameter in parameters_of(optimiser)]
        tensors = _tensors(model, optimiser, best)
        with _quiet():
            randomness = _empty_randomness(place)
            load(tensors | randomness, checkpoint_id=place)
    _set_randomness(randomness)
    kept.keep(best)
    return Standing(kept=kept, **found)


def _tensors(model: nn.Module, optimiser: torch.optim.AdamW, best: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return all tensors of a checkpoint by name: those in use, so that loading fills them in place."""
    tensors: dict[str, torch.Tensor] = {}
    names = {parameter: name for name, parameter in model.named_parameters()}
    for parameter, value in zip(parameters_of(optimiser), best, strict=True):
        name = names[cast(nn.Parameter, parameter)]
        tensors |= {f"weight.{name}": parameter.detach(), f"best.{name}": value}
        tensors |= {f"{part}.{name}": value for part, value in _moments(optimiser, parameter).items()}
    return tensors


def _moments(optimiser: torch.optim.AdamW, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return AdamW's state of a parameter; before its first step that is zero in all parts."""
    state: dict[str, torch.Tensor] = optimiser.state[parameter]
    if not state:
        # on the weight's device, where the fused step counts it
        state |= {"step": torch.zeros((), dtype=torch.float32, device=parameter.device)}
        state |= {part: torch.zeros_like(parameter.detach()) for part in ("exp_avg", "exp_avg_sq")}
    return state


def _randomness() -> dict[str, torch.Tensor]:
    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def _empty_randomness(place: Path) -> dict[str, torch.Tensor]:
    saved = FileSystemReader(place).read_metadata().state_dict_metadata
    return {
        name: torch.empty(each.size, dtype=torch.uint8)
        for name, each in saved.items()
        if name.startswith("random.") and isinstance(each, TensorStorageMetadata)
    }


def _set_randomness(saved: dict[str, torch.Tensor]) -> None:
    # a process that was not there before keeps the state it has from the seed
    cpu, cuda = (saved.get(f"random.{rank()}.{device}") for device in ("cpu", "cuda"))
    if cpu is not None:
        torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state(cuda)


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return the whole checkpoints in `folder` with their steps."""
    entries = folder.iterdir() if folder.is_dir() else ()
    names = [(_NAME.fullmatch(entry.name), entry) for entry in entries]
    return [(int(name[1]), entry) for name, entry in names if name]


def _write(path: Path, value: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, CheckpointException) as error:
        words = " ".join(str(error).split())
        raise RunError(f"{place}: the checkpoint cannot be written or read ({words}); is the disk full?") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep DCP from saying that a process alone is alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
