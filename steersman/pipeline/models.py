"""Open a model by name: found by `sources`, converted once into the cache, with its ancestors and its hash."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from steersman.errors import PluginError
from steersman.modeling.gguf import convert_gguf
from steersman.modeling.loading import CONFIG_FILE, WEIGHT_FILES, write_tiny_model
from steersman.pipeline.lineages import origin_in
from steersman.pipeline.saving import explained_weight_errors
from steersman.sources.models import (
    EMBEDDED_MODELS,
    TINY_RANDOM,
    FoundModel,
    cached_folder,
    find_model,
    model_folder,
)
from steersman.store.cache import cache_folder
from steersman.store.files import explained_disk_errors, sha256_file, whole_folder
from steersman.store.lineage import LINEAGE_FILE, Ancestor, read_lineage
from steersman.store.runs import CHECKPOINT_FOLDER
from steersman.store.runs import CONFIG_FILE as RUN_CONFIG_FILE

_TINY_SEED = 0


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model as a transformers folder on this machine; `is_simulated` when it was trained on simulated ratings."""

    name: str
    folder: Path
    ancestors: tuple[Ancestor, ...]
    is_simulated: bool

    @property
    def licence(self) -> str | None:
        """The licence of the model and of all it was made from; None where they differ or one is not known."""
        licences = {each.licence for each in self.ancestors}
        return licences.pop() if len(licences) == 1 else None


def open_model(name: str, *, role: str) -> ModelFolder:
    """Return the model called `name`; `role` says in the lineage what it is used for.

    Raises PluginError when it cannot be found or loaded, RunError when the cache cannot be written, DataError when
    its lineage is damaged.
    """
    found = find_model(name, cache=cache_folder() / "hub")
    folder = found.folder or _made(name, found)
    _check_no_run(folder)
    ancestors, is_simulated = _origin(folder, replace(found.ancestor, role=role))
    return ModelFolder(name, folder, ancestors, is_simulated)


def _check_no_run(folder: Path) -> None:
    """Raise PluginError for the folder of a run, which is not the model that the run made."""
    if (folder / CONFIG_FILE).is_file():
        return
    checkpoint = folder / CHECKPOINT_FOLDER
    if (checkpoint / CONFIG_FILE).is_file():
        raise PluginError(f"{folder}: is the folder of a run; the model that it made is {checkpoint}")
    if (folder / RUN_CONFIG_FILE).is_file():
        raise PluginError(f"{folder}: is the folder of a run that made no model; repeat the command that began it")


def model_at_hand(name: str) -> Path | None:
    """Return the folder of a model that needs neither download nor conversion first, else None.

    Raises PluginError when there can be no model of this name.
    """
    folder = model_folder(name)
    if folder is not None:
        return folder
    if name == TINY_RANDOM:
        return open_model(name, role="model").folder
    if name not in EMBEDDED_MODELS:
        return cached_folder(name, cache=cache_folder() / "hub")
    place = _place(name, find_model(name, cache=cache_folder() / "hub"))
    return place if place.is_dir() else None


def local_models(names: Mapping[str, str]) -> dict[str, Path]:
    """Return those of the named models that are folders of the user's: inputs whose content may change."""
    return {role: Path(name) for role, name in names.items() if Path(name).is_dir()}


def _origin(folder: Path, ancestor: Ancestor) -> tuple[tuple[Ancestor, ...], bool]:
    # the lineage of a checkpoint lies beside it, in the run that made it
    place = folder.parent if folder.name == CHECKPOINT_FOLDER else folder
    if (place / LINEAGE_FILE).is_file():
        lineage = read_lineage(place)
        return lineage.ancestors, lineage.simulated
    origin = origin_in(folder / CONFIG_FILE)
    return ((ancestor,), False) if origin is None else (origin.ancestors, origin.simulated)


def _place(name: str, found: FoundModel) -> Path:
    label = name if found.gguf is None else f"{name}-{sha256_file(found.gguf)[:12]}"
    return cache_folder() / "models" / label


def _made(name: str, found: FoundModel) -> Path:
    folder = _place(name, found)
    with explained_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    with explained_disk_errors(folder), lock:
        if folder.is_dir():
            return folder
        with explained_weight_errors(folder), whole_folder(folder) as temporary:
            if found.gguf is not None:
                convert_gguf(found.gguf, out=temporary)
            elif name == TINY_RANDOM:
                write_tiny_model(temporary, seed=_TINY_SEED)
    return folder


def model_sha256(folder: Path) -> str:
    """Return one hash over what decides a model's outputs: its weights and its config.json.

    Raises PluginError when the folder holds no weights.
    """
    weights = sorted(file for pattern in WEIGHT_FILES for file in folder.glob(pattern))
    if not weights:
        raise PluginError(f"{folder}: no weights; download the whole model folder")
    return " ".join(sha256_file(file) for file in [folder / CONFIG_FILE, *weights])
