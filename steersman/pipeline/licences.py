"""`steersman licences PATH`: where every row and weight came from, and whether it may be used commercially."""

from pathlib import Path

from steersman.errors import DataError
from steersman.pipeline.lineages import origin_in
from steersman.store.ledger import JudgedAncestor, judge
from steersman.store.lineage import LINEAGE_FILE, Lineage, merge_ancestors, read_lineage

# A file of a checkpoint lies three folders below its run: runs/NAME/STAGE/checkpoint/FILE.
_MAX_LEVELS_UP = 3
# Of a model folder, as transformers calls it.
CONFIG_FILE = "config.json"
# What the lineage of a whole run calls itself.
RUN_STAGE = "run"


def run(path: Path) -> dict[str, object]:
    """Return the verdict on a run, a stage, a dataset or model folder, or a file inside one.

    A folder is judged by its own lineage and those of its direct sub-folders, a run by its own and those of the stages
    it names, a reward model without one by what its config.json says it was made from; anything else by the nearest
    lineage above it. The result has the keys `commercial_use`,
    `reasons`, `ancestors` and `simulated`. Raises DataError when there is no lineage, or one is damaged.
    """
    origin = None if _has_lineage(path) else origin_in(path / CONFIG_FILE)
    lineages = [origin] if origin else [_read_checked(folder) for folder in lineage_folders(path)]
    verdict = judge(merge_ancestors([lineage.ancestors for lineage in lineages]))
    return {
        "commercial_use": verdict.commercial_use,
        "reasons": list(verdict.reasons),
        "ancestors": [_as_row(each) for each in verdict.ancestors],
        "simulated": verdict.simulated or any(lineage.simulated for lineage in lineages),
    }


def lineage_folders(path: Path) -> list[Path]:
    """Return the folders whose lineages tell where `path` came from; raises DataError when there are none."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    place = path.resolve()
    folder = place if place.is_dir() else place.parent
    if place.is_dir():
        found = [each for each in [folder, *stage_folders(folder)] if _has_lineage(each)]
        if found:
            return found
    above = _nearest_above(folder, levels=_MAX_LEVELS_UP - (0 if place.is_dir() else 1))
    if above is None:
        raise DataError(
            f"{path}: no {LINEAGE_FILE} in it or up to {_MAX_LEVELS_UP} folders above it, so nothing is known about "
            "where it came from; give a folder that steersman wrote, or write its lineage as docs/licences.md shows"
        )
    return [above]


def stage_folders(folder: Path) -> list[Path]:
    """Return the sub-folders that belong to `folder`, sorted by name.

    The lineage of a finished run names its stages; what lies beside them was left there by another run. Any other
    folder, and a run that has not written its lineage yet, answers for every sub-folder.
    """
    # a hidden folder is what a redone stage held before, not a part of what is there now
    below = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not _has_lineage(folder):
        return below
    lineage = _read_checked(folder)
    return [each for each in below if each.name in lineage.inputs] if lineage.stage == RUN_STAGE else below


def _has_lineage(folder: Path) -> bool:
    return (folder / LINEAGE_FILE).is_file()


def _nearest_above(folder: Path, *, levels: int) -> Path | None:
    """Return `folder` or its nearest parent with a lineage, at most `levels` up, never out of a repository."""
    for each in [folder, *folder.parents][: levels + 1]:
        if _has_lineage(each):
            return each
        if (each / ".git").exists():
            return None
    return None


def _read_checked(folder: Path) -> Lineage:
    lineage = read_lineage(folder)
    if not isinstance(lineage.inputs, dict):
        raise DataError(f"{folder / LINEAGE_FILE}: 'inputs' needs names with hashes; make the folder anew")
    for ancestor in lineage.ancestors:
        if not isinstance(ancestor.work, str) or not isinstance(ancestor.licence, str | None):
            raise DataError(
                f"{folder / LINEAGE_FILE}: the ancestor {ancestor.work!r} needs a name and a licence (text or null); "
                "make the folder anew"
            )
    return lineage


def _as_row(judged: JudgedAncestor) -> dict[str, object]:
    ancestor = judged.ancestor
    return {
        "work": ancestor.work,
        "kind": ancestor.kind,
        "role": ancestor.role,
        "licence": judged.licence,
        "verdict": judged.commercial,
        "reason": judged.reason,
        "simulated": ancestor.simulated,
        "via": list(judged.via),
    }
