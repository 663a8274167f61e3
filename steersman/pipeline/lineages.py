"""What a file or folder inherits: the lineage beside it, or the fact that there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman.store.lineage import LINEAGE_FILE, Ancestor, merge_ancestors, read_lineage


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The ancestors of some inputs, and whether a modelled crowd was among them."""

    ancestors: tuple[Ancestor, ...]
    simulated: bool


def inherited(paths: Sequence[Path], *, role: str) -> Inheritance:
    """Return what comes down from `paths`.

    A file without a lineage in its folder counts as data of unknown licence, used for `role`.
    """
    found: list[tuple[Ancestor, ...]] = []
    simulated = False
    for path in paths:
        folder = path if path.is_dir() else path.parent
        if (folder / LINEAGE_FILE).is_file():
            lineage = read_lineage(folder)
            found.append(lineage.ancestors)
            simulated = simulated or lineage.simulated or any(each.simulated for each in lineage.ancestors)
        else:
            found.append((Ancestor(folder.resolve().name, "data", role, None),))
    return Inheritance(merge_ancestors(found), simulated)
