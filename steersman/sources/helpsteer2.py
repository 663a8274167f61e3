"""Read human labels in the shape HelpSteer2 was released in, from a folder or from the hub at a pinned revision.

The shape: `train.jsonl` and `validation.jsonl`, in which rows 2k and 2k+1 share a prompt, and optionally
`disagreements/disagreements.jsonl` with the annotators' single ratings as lists. Each may be compressed (`.gz`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from steersman.errors import DataError, join_faults
from steersman.sources.releases import Release, fetch
from steersman.store.files import read_lines, read_table, sha256_file
from steersman.store.lineage import LINEAGE_FILE, Ancestor, read_lineage
from steersman.tables import DISAGREEMENTS, EXAMPLES

HUB_NAME = "nvidia/HelpSteer2"
_TRAIN = "train.jsonl"
_VALIDATION = "validation.jsonl"
_DISAGREEMENTS = "disagreements/disagreements.jsonl"
_ROLE = "prompts, responses and ratings"
_INSTEAD = "give a local folder in HelpSteer2's released shape instead"


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


HELPSTEER2 = Release(
    repository=HUB_NAME,
    revision="990b2711a36180dd19d9c94b8627844866f8982a",
    licence="CC-BY-4.0",
    sha256={
        "train.jsonl.gz": "c0d7e91d738d42e8a08070db26c4c09a9c7631308e1f0fd380ff43d130c9f713",
        "validation.jsonl.gz": "610eeb5289494d613c4c0f70aade2df8df0b499f3a24e76d232f74e6909d010a",
        "disagreements/disagreements.jsonl.gz": None,
        "preference/preference.jsonl.gz": "a5cd48600fb7a330cf0ccc8f59051e24e8f236907c379f42eff1ba18da55204b",
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


def read_release(release: Release, *, cache: Path) -> HumanData:
    """Return the labels of a release on the hub, every file checked against its sum (docs/prompts.md)."""
    train, validation, disagreements = (
        fetch(release, f"{name}.gz", cache=cache, instead=_INSTEAD) for name in (_TRAIN, _VALIDATION, _DISAGREEMENTS)
    )
    files = _Files(train, validation, disagreements)
    return _read(files, ancestors=(_ancestor(release),), notes=())


def _ancestor(release: Release) -> Ancestor:
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
