"""Read human labels in the shape HelpSteer2 was released in, from a folder or from the hub at a pinned revision.

The shape: `train.jsonl` and `validation.jsonl`, in which rows 2k and 2k+1 share a prompt, and optionally
`disagreements/disagreements.jsonl` with the annotators' single ratings as lists. Each may be compressed (`.gz`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of httpx in 1.x, of httpx2 in 2.x

from steersman.errors import DataError, RunError, join_faults
from steersman.store.files import explained_disk_errors, read_json, read_lines, read_table, sha256_file, write_json
from steersman.store.lineage import LINEAGE_FILE, Ancestor, read_lineage
from steersman.tables import DISAGREEMENTS, EXAMPLES

HUB_NAME = "nvidia/HelpSteer2"
_TRAIN = "train.jsonl"
_VALIDATION = "validation.jsonl"
_DISAGREEMENTS = "disagreements/disagreements.jsonl"
_ROLE = "prompts, responses and ratings"
# RuntimeError is what the hub's native transfer library raises when a connection breaks
_FETCH_ERRORS = (OSError, HTTPError, RuntimeError)


@dataclass(frozen=True, slots=True)
class HubRelease:
    """A data set on the hub: `sha256` gives each file's published checksum, None where there is none."""

    repository: str
    revision: str
    licence: str
    sha256: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class HumanData:
    """Human labels: EXAMPLES frames, a DISAGREEMENTS frame where there is one, and what a report must say of them.

    `simulated` when the folder says of itself that a modelled crowd had a part in it.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    disagreements: pl.DataFrame | None
    ancestors: tuple[Ancestor, ...]
    notes: tuple[str, ...]
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class _Files:
    train: Path
    validation: Path
    disagreements: Path | None


HELPSTEER2 = HubRelease(
    repository=HUB_NAME,
    revision="990b2711a36180dd19d9c94b8627844866f8982a",
    licence="CC-BY-4.0",
    sha256={
        "train.jsonl.gz": "c0d7e91d738d42e8a08070db26c4c09a9c7631308e1f0fd380ff43d130c9f713",
        "validation.jsonl.gz": "610eeb5289494d613c4c0f70aade2df8df0b499f3a24e76d232f74e6909d010a",
        "disagreements/disagreements.jsonl.gz": None,
    },
)


def read_helpsteer2(where: str, *, cache: Path) -> HumanData:
    """Return the labels of a local folder, or of the hub when `where` is 'nvidia/HelpSteer2'.

    `cache` is the folder downloads are kept in. Rows keep the order of their files. Raises DataError for a file that
    is missing, malformed, not in pairs, or not the published one; RunError when the hub cannot be reached.
    """
    return read_release(HELPSTEER2, cache=cache) if where == HUB_NAME else read_folder(Path(where))


def read_folder(folder: Path) -> HumanData:
    """Return the labels of a local folder; its licence is known when it holds a lineage or the published files."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; check the path, or give '{HUB_NAME}' for the hub")
    train, validation = _find(folder, _TRAIN), _find(folder, _VALIDATION)
    if train is None or validation is None:
        missing = _TRAIN if train is None else _VALIDATION
        raise DataError(
            f"{folder}: no {missing} or {missing}.gz; "
            f"give a folder in HelpSteer2's released shape, or '{HUB_NAME}' for the hub"
        )
    files = _Files(train, validation, _find(folder, _DISAGREEMENTS))
    ancestors, notes = _origin(folder, files=files)
    simulated = (folder / LINEAGE_FILE).is_file() and read_lineage(folder).simulated
    found = _read(files, ancestors=ancestors, notes=notes)
    return replace(found, simulated=simulated or any(each.simulated for each in ancestors))


def read_release(release: HubRelease, *, cache: Path) -> HumanData:
    """Return the labels of a release on the hub, every file checked against its sum (docs/prompts.md)."""
    train, validation, disagreements = (
        _fetch(release, f"{name}.gz", cache=cache) for name in (_TRAIN, _VALIDATION, _DISAGREEMENTS)
    )
    files = _Files(train, validation, disagreements)
    return _read(files, ancestors=(_ancestor(release),), notes=())


def _ancestor(release: HubRelease) -> Ancestor:
    return Ancestor(release.repository, "data", _ROLE, release.licence, revision=release.revision)


def _find(folder: Path, name: str) -> Path | None:
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: holds both {name} and {name}.gz; remove the one that is not meant")
    return found[0] if found else None


def _origin(folder: Path, *, files: _Files) -> tuple[tuple[Ancestor, ...], tuple[str, ...]]:
    if (folder / LINEAGE_FILE).is_file():
        return read_lineage(folder).ancestors, ()
    if all(sha256_file(path) == HELPSTEER2.sha256.get(path.name) for path in (files.train, files.validation)):
        return (_ancestor(HELPSTEER2),), ()
    name = folder.resolve().name
    note = f"{name}: has no {LINEAGE_FILE} and is not the published {HUB_NAME}, so its origin and licence are unknown"
    return (Ancestor(name, "data", _ROLE, None),), (note,)


def _fetch(release: HubRelease, name: str, *, cache: Path) -> Path:
    try:
        with explained_disk_errors(cache):
            path = Path(
                hf_hub_download(
                    release.repository, name, repo_type="dataset", revision=release.revision, cache_dir=cache
                )
            )
    except _FETCH_ERRORS as error:
        raise RunError(
            f"{release.repository}: {name} cannot be fetched from the hub ({type(error).__name__}: {error}); "
            "give a local folder in HelpSteer2's released shape instead"
        ) from error
    _check_sum(release, name, path=path, cache=cache)
    return path


def _check_sum(release: HubRelease, name: str, *, path: Path, cache: Path) -> None:
    found, published = sha256_file(path), release.sha256[name]
    expected = published or _first_sum(release, name, found=found, cache=cache)
    if found != expected:
        says = "published" if published else "recorded at the first download"
        downloads = cache / f"datasets--{_flat(release.repository)}"
        raise DataError(
            f"{path}: SHA-256 is {found}, but {expected} was {says} for {release.repository} at {release.revision}; "
            f"delete {downloads} to fetch it again, and do not use it if the sums still differ"
        )


def _first_sum(release: HubRelease, name: str, *, found: str, cache: Path) -> str:
    """Return the sum the first download of `name` had, which is `found` when this is the first."""
    record = cache / f"{_flat(release.repository)}.{release.revision}.sha256.json"
    sums = read_json(record) if record.exists() else {}
    if not isinstance(sums, dict):
        raise DataError(f"{record}: not a record of checksums; delete it")
    if name not in sums:
        write_json(record, {**sums, name: found})
    return str(sums.get(name, found))


def _flat(repository: str) -> str:
    return repository.replace("/", "--")


def _read(files: _Files, *, ancestors: tuple[Ancestor, ...], notes: tuple[str, ...]) -> HumanData:
    train = read_table(files.train, table=EXAMPLES)
    validation = read_table(files.validation, table=EXAMPLES)
    check_pairs({files.train: train, files.validation: validation})
    disagreements = read_table(files.disagreements, table=DISAGREEMENTS) if files.disagreements else None
    found = (
        *_duplicate_notes(train, name="train"),
        *_duplicate_notes(validation, name="validation"),
        *_overlap_notes(train, validation),
        *_list_notes(disagreements),
    )
    return HumanData(train, validation, disagreements, ancestors, (*notes, *found))


def check_pairs(examples: Mapping[Path, pl.DataFrame]) -> None:
    """Raise DataError that names every row, in any of the files, that does not share its prompt with its partner."""
    faults = [fault for path, frame in examples.items() for fault in _pair_faults(path, frame)]
    if faults:
        raise DataError(f"{join_faults(faults)}. The two rated responses of a prompt must be on adjacent lines.")


def _unpaired_rows(frame: pl.DataFrame) -> list[int]:
    """Return the first rows (from 0) of pairs that do not share a prompt; a last row on its own is one of them."""
    prompts = frame["prompt"]
    first, second = prompts.gather_every(2), prompts.gather_every(2, offset=1)
    differs = (first.head(second.len()) != second).arg_true() * 2
    return [*differs.to_list(), *([frame.height - 1] if frame.height % 2 else [])]


def _pair_faults(path: Path, frame: pl.DataFrame) -> list[str]:
    unpaired = _unpaired_rows(frame)
    if not unpaired:
        return []
    places = _places(path, num_rows=frame.height)
    return [
        f"{places[row]}: its prompt differs from that of the next row"
        if row + 1 < frame.height
        else f"{places[row]}: the last row has no partner"
        for row in unpaired
    ]


def _places(path: Path, *, num_rows: int) -> list[str]:
    """Return the file and the number, from 1, of each row's line; a Parquet file has rows only."""
    if path.suffix == ".parquet":
        return [f"{path}: row {number}" for number in range(1, num_rows + 1)]
    # empty lines are passed over when a table is read, so that rows and lines differ
    return [f"{path}:{number}" for number, line in enumerate(read_lines(path), start=1) if line.strip()]


def _duplicate_notes(frame: pl.DataFrame, *, name: str) -> list[str]:
    numbered = frame.with_columns(row=pl.int_range(1, pl.len() + 1)).group_by(frame.columns, maintain_order=True)
    repeated = numbered.agg("row").filter(pl.col("row").list.len() > 1)["row"].to_list()
    return [
        f"{name}: rows {' and '.join(map(str, rows))} (from 1) are exact duplicates; all are kept" for rows in repeated
    ]


def _overlap_notes(train: pl.DataFrame, validation: pl.DataFrame) -> list[str]:
    shared = validation["prompt"].unique().is_in(train["prompt"].unique().implode()).sum()
    return [f"{shared} prompts of validation are in train too; all are kept"] if shared else []


def _list_notes(disagreements: pl.DataFrame | None) -> list[str]:
    if disagreements is None:
        return [
            "labels are already aggregated: there is no disagreements file with the annotators' single ratings, "
            "so that they are taken as they are, without cleaning or agreement"
        ]
    unpaired = len(_unpaired_rows(disagreements))
    return [f"disagreements: {unpaired} pairs of adjacent rows do not share a prompt"] if unpaired else []
