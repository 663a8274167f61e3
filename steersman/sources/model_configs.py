"""The config.json of a model without its weights: in a folder, published with this package, or alone from the hub."""

import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import cast

import yaml
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from steersman.errors import PluginError
from steersman.sources.hub_log import quiet_hub
from steersman.sources.models import EMBEDDED_MODELS, model_folder

_CONFIG_FILE = "config.json"
_SHAPES_FILE = "model_shapes.yaml"
# of known shapes, in a complaint about one that is not known
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The settings of a model's architecture, and where they were read."""

    values: Mapping[str, object]
    source: str


@dataclass(frozen=True, slots=True)
class PublishedShape:
    """What a model's repository says of it: the settings of its architecture, and how many weights it has."""

    config: Mapping[str, object]
    parameters: int


@functools.cache
def published_shapes() -> Mapping[str, PublishedShape]:
    """Return the shapes of well-known models by name, as model_shapes.yaml has them."""
    text = resources.files("steersman.sources").joinpath(_SHAPES_FILE).read_text(encoding="utf-8")
    entries = cast("dict[str, dict[str, object]]", yaml.safe_load(text))
    shapes: dict[str, PublishedShape] = {}
    for name, entry in entries.items():
        shape = PublishedShape(cast("dict[str, object]", entry["config"]), cast(int, entry["parameters"]))
        shapes |= dict.fromkeys([name, *cast("list[str]", entry["also"])], shape)
    return shapes


def find_model_config(name: str, *, cache: Path) -> ModelConfig:
    """Return the config of the model called `name`, as `find_model` takes it, without downloading its weights.

    A known shape is used before the hub is asked. Raises PluginError that says what to do when there is none.
    """
    folder = model_folder(name)
    if folder is not None:
        return _from_file(folder / _CONFIG_FILE)
    work = EMBEDDED_MODELS[name].work if name in EMBEDDED_MODELS else name
    known = published_shapes().get(work.partition("@")[0])
    if known is not None:
        return ModelConfig(known.config, f"the published shape of {work}")
    return _from_hub(name, cache=cache)


def _from_file(path: Path) -> ModelConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PluginError(f"{path.parent}: no config.json, so this is not a transformers model folder") from error
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: cannot be read as JSON ({error}); download the file again") from error
    if not isinstance(values, dict):
        raise PluginError(f"{path}: holds no settings; download the file again")
    return ModelConfig(values, str(path))


def _from_hub(name: str, *, cache: Path) -> ModelConfig:
    repository, _, revision = name.partition("@")
    try:
        with quiet_hub():
            path = hf_hub_download(repository, _CONFIG_FILE, revision=revision or None, cache_dir=cache)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise PluginError(
            f"model {name!r}: not on the hub, or private; check the name or log in with `hf auth login`"
        ) from error
    except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PluginError(
            f"model {name!r}: no known shape, and its config.json cannot be had from the hub; give a folder that holds"
            f" its config.json, or one of {', '.join(_nearest_known(repository))} and so on"
        ) from error
    return _from_file(Path(path))


def _nearest_known(repository: str) -> list[str]:
    return difflib.get_close_matches(repository, sorted(published_shapes()), n=_MOST_NAMES, cutoff=0.0)
