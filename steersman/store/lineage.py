"""Where something came from: the record kept beside every dataset, model and run.

A lineage holds all ancestors, not only the parents, so that a folder that is moved still tells its whole story.
"""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal, cast

from steersman import __version__
from steersman.errors import DataError
from steersman.store.files import read_json, write_json

LINEAGE_FILE = "lineage.json"
AncestorKind = Literal["data", "model", "annotators", "software"]

_RECORDED_PACKAGES = ("numpy", "polars", "scikit-learn", "torch", "transformers", "peft", "safetensors")


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A work that something was made from. `work` is the name the licence ledger knows it by; `licence` is SPDX.

    `role` says what it was used for: "prompts", "responses", "ratings", "base model", "training data of ...".
    """

    work: str
    kind: AncestorKind
    role: str
    licence: str | None
    revision: str | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """What made a folder: inputs with their SHA-256, software, seed, time, and every ancestor."""

    name: str
    stage: str
    created_at: str
    seconds: float
    seed: int | None
    config_sha256: str
    inputs: dict[str, str]
    ancestors: tuple[Ancestor, ...]
    simulated: bool
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    notes: tuple[str, ...] = ()


def software_versions() -> dict[str, str]:
    """Return the versions of Python, Steersman and the installed packages that shape results."""
    found = {"python": platform.python_version(), "steersman": __version__}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def source_commit() -> str | None:
    """Return the git commit of this source tree, None for an installed package or without git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None


def merge_ancestors(groups: Iterable[Sequence[Ancestor]]) -> tuple[Ancestor, ...]:
    """Return the ancestors of all groups, each once, in order of first mention."""
    return tuple(dict.fromkeys(ancestor for group in groups for ancestor in group))


def write_lineage(folder: Path, lineage: Lineage) -> None:
    """Write `lineage` into `folder`."""
    write_json(folder / LINEAGE_FILE, asdict(lineage))


def read_lineage(folder: Path) -> Lineage:
    """Return the lineage of `folder`; raises DataError when it has none or it is damaged."""
    value = read_json(folder / LINEAGE_FILE)
    try:
        fields = dict(cast("dict[str, object]", value))
        ancestors = cast("list[dict[str, object]]", fields.pop("ancestors"))
        fields["ancestors"] = tuple(Ancestor(**each) for each in ancestors)  # type: ignore[arg-type]
        fields["notes"] = tuple(cast("list[str]", fields.get("notes", [])))
        return Lineage(**fields)  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / LINEAGE_FILE}: not a lineage ({error}); make the folder anew") from error
