"""Run one stage in its folder: skip it when finished, redo it when not, write its lineage and marker last."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from steersman.config.loading import Settings, dump_settings
from steersman.errors import RunError
from steersman.pipeline.replacing import differences
from steersman.store.files import sha256_tree, write_text
from steersman.store.lineage import (
    LINEAGE_FILE,
    Ancestor,
    Lineage,
    read_lineage,
    software_versions,
    source_commit,
    write_lineage,
)
from steersman.store.refused import missing_folders, removed_when_refused
from steersman.store.runs import (
    CHECKPOINT_FOLDER,
    CONFIG_FILE,
    DONE_FILE,
    RESUME_FOLDER,
    attempt,
    begin_resumable,
    drop_empty_resumable,
    end_resumable,
    fingerprint,
    finish,
    is_finished,
    locked,
    put_back,
    read_result,
    refuse_foreign,
)


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

    `places` are the top-level settings that decide no result: where inputs lie, which count by content so that a run
    folder can be moved, and what a dry run reckons with. `also` holds what else decides the result. `keep` names
    entries that outlive an interrupted attempt. A stage that `resumes` also finds in `RESUME_FOLDER` what its own last
    attempt left there, and nothing that another configuration or other inputs did. One that does not replace is
    refused where its folder holds another finished result.
    """

    name: str
    folder: Path
    settings: Settings
    seed: int
    inputs: Mapping[str, Path]
    keep: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    also: Mapping[str, object] = field(default_factory=dict)
    resumes: bool = False
    replaces: bool = True

    @property
    def kept(self) -> tuple[str, ...]:
        """The entries that outlive an interrupted attempt."""
        return (*self.keep, RESUME_FOLDER) if self.resumes else self.keep

    @property
    def deciding(self) -> dict[str, object]:
        """The settings that decide the result."""
        return self.settings.model_dump(mode="json", exclude=set(self.places))

    def fingerprint(self, hashes: Mapping[str, str]) -> str:
        """Return what decides whether a finished result still stands; `hashes` are those of the inputs.

        The lineage beside each input counts by what the result inherits: ancestors and the mark of simulation.
        """
        return fingerprint(
            {
                "stage": self.name,
                "config": self.deciding,
                "also": dict(self.also),
                "seed": self.seed,
                "inputs": dict(hashes),
                "origins": {name: _origin(path) for name, path in self.inputs.items()},
            }
        )


def _origin(path: Path) -> object:
    folder = path if path.is_dir() else path.parent
    # the lineage of a checkpoint lies beside it, in the run that made it
    place = folder.parent if folder.name == CHECKPOINT_FOLDER else folder
    if not (place / LINEAGE_FILE).is_file():
        return None
    lineage = read_lineage(place)
    return {"ancestors": [asdict(each) for each in lineage.ancestors], "simulated": lineage.simulated}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished stage: its result, the seconds it took now, and whether it was there already."""

    result: dict[str, object]
    seconds: float
    is_reused: bool


def run_stage(stage: Stage, make: Callable[[Path], Product]) -> Outcome:
    """Fill `stage.folder` by `make`, unless it holds the finished result of the same settings, seed and inputs.

    An unfinished or outdated folder is emptied first, except for the entries in `stage.keep`; an outdated result comes
    back when `make` fails, and a new folder in which it made nothing is removed. Raises RunError, with nothing touched,
    when the folder holds anything but an attempt or a result of this stage, or an input of it, or a finished result
    that the stage does not replace, or when another process fills it.
    """
    began = time.monotonic()
    hashes = {name: sha256_tree(path) for name, path in stage.inputs.items()}
    config_text = dump_settings(stage.settings)
    wanted = stage.fingerprint(hashes)
    if is_finished(stage.folder, wanted):
        return _reused(stage, began=began)
    _refuse_inputs_inside(stage)
    refuse_foreign(stage.folder, stage=stage.name, keep=stage.kept)
    missing = missing_folders(stage.folder)
    with locked(stage.folder), removed_when_refused(missing):
        put_back(stage.folder, keep=stage.kept)
        if is_finished(stage.folder, wanted):
            return _reused(stage, began=began)
        _refuse_other_result(stage, hashes=hashes)
        with attempt(stage.folder, keep=stage.kept):
            if stage.resumes:
                begin_resumable(stage.folder, wanted)
            write_text(stage.folder / CONFIG_FILE, config_text)
            product = _made(stage, make)
            seconds = time.monotonic() - began
            lineage = _lineage(stage, product, config_text=config_text, hashes=hashes, seconds=seconds)
            write_lineage(stage.folder, lineage)
            finish(stage.folder, wanted, result=product.result)
            if stage.resumes:
                end_resumable(stage.folder)
    return Outcome(dict(product.result), seconds, is_reused=False)


def _made(stage: Stage, make: Callable[[Path], Product]) -> Product:
    try:
        return make(stage.folder)
    finally:
        if stage.resumes:
            drop_empty_resumable(stage.folder)


def has_kept_work(folder: Path) -> bool:
    """Return whether an interrupted attempt in `folder` kept work that the next one goes on from."""
    return (folder / RESUME_FOLDER).is_dir()


def _reused(stage: Stage, *, began: float) -> Outcome:
    return Outcome(read_result(stage.folder), time.monotonic() - began, is_reused=True)


def _refuse_other_result(stage: Stage, *, hashes: Mapping[str, str]) -> None:
    if stage.replaces or not (stage.folder / DONE_FILE).is_file():
        return
    found = differences(stage.folder, settings=stage.deciding, inputs=hashes)
    raise RunError(
        f"{stage.folder}: holds a finished result that differs from what is asked for in {found}; choose another --out,"
        " or replace it with --force"
    )


def _refuse_inputs_inside(stage: Stage) -> None:
    """Raise RunError when emptying the folder would destroy what the stage reads."""
    folder = Path(os.path.realpath(stage.folder))
    kept = [folder / name for name in stage.kept]
    for path in stage.inputs.values():
        # a link is an entry of its folder, whatever it points to
        link = Path(os.path.realpath(path.parent)) / path.name
        for place in (Path(os.path.realpath(path)), Path(os.path.normpath(link))):
            if place.is_relative_to(folder) and not any(place.is_relative_to(each) for each in kept):
                raise RunError(f"{stage.folder}: holds {path}, which this stage reads; choose another --out")


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
