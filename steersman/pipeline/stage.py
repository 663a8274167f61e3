"""Run one stage in its folder: skip it when finished, redo it when not, write its lineage and marker last."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from steersman.config.loading import Settings, dump_settings
from steersman.store.files import sha256_tree, write_text
from steersman.store.lineage import Ancestor, Lineage, software_versions, source_commit, write_lineage
from steersman.store.runs import CONFIG_FILE, fingerprint, finish, is_finished, locked, read_result, start


@dataclass(frozen=True, slots=True)
class Product:
    """What a stage made: its result for `--json`, and where it came from."""

    result: Mapping[str, object]
    ancestors: tuple[Ancestor, ...]
    simulated: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage to run: its settings, its seed and the files or folders it reads, by name.

    `places` are the top-level settings that only say where inputs lie: those count by content, not by path, so that a
    run folder can be moved. `also` holds what else decides the result. `keep` names entries that outlive an
    interrupted attempt.
    """

    name: str
    folder: Path
    settings: Settings
    seed: int
    inputs: Mapping[str, Path]
    keep: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    also: Mapping[str, object] = field(default_factory=dict)

    def fingerprint(self, hashes: Mapping[str, str]) -> str:
        """Return what decides whether a finished result still stands; `hashes` are those of the inputs."""
        asked = self.settings.model_dump(mode="json", exclude=set(self.places))
        return fingerprint(
            {"stage": self.name, "config": asked, "also": dict(self.also), "seed": self.seed, "inputs": dict(hashes)}
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished stage: its result, the seconds it took now, and whether it was there already."""

    result: dict[str, object]
    seconds: float
    is_reused: bool


def run_stage(stage: Stage, make: Callable[[Path], Product]) -> Outcome:
    """Fill `stage.folder` by `make`, unless it holds the finished result of the same settings, seed and inputs.

    An unfinished or outdated folder is emptied first, except for the entries in `stage.keep`. Raises RunError when
    another process fills it.
    """
    began = time.monotonic()
    hashes = {name: sha256_tree(path) for name, path in stage.inputs.items()}
    config_text = dump_settings(stage.settings)
    wanted = stage.fingerprint(hashes)
    if is_finished(stage.folder, wanted):
        return Outcome(read_result(stage.folder), time.monotonic() - began, is_reused=True)
    with locked(stage.folder):
        start(stage.folder, keep=stage.keep)
        write_text(stage.folder / CONFIG_FILE, config_text)
        product = make(stage.folder)
        seconds = time.monotonic() - began
        write_lineage(stage.folder, _lineage(stage, product, config_text=config_text, hashes=hashes, seconds=seconds))
        finish(stage.folder, wanted, result=product.result)
    return Outcome(dict(product.result), seconds, is_reused=False)


def _lineage(stage: Stage, product: Product, *, config_text: str, hashes: Mapping[str, str], seconds: float) -> Lineage:
    return Lineage(
        name=stage.folder.resolve().name,
        stage=stage.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        seed=stage.seed,
        config_sha256=fingerprint({"config": config_text}),
        inputs=dict(hashes),
        ancestors=product.ancestors,
        simulated=product.simulated,
        versions=software_versions(),
        commit=source_commit(),
        notes=product.notes,
    )
