"""Where a file of ratings may be written: never over somebody's ratings, never beside the lineage of something else.

A lineage tells of the whole folder it lies in. People's ratings and simulated ones therefore need folders of their own.
"""

from collections.abc import Callable
from pathlib import Path

from steersman.errors import RunError
from steersman.pipeline.lineages import Inheritance
from steersman.store.files import explained_disk_errors
from steersman.store.lineage import LINEAGE_FILE, Lineage, read_lineage

STAGE = "ratings"


def check_place(out: Path, *, is_own: Callable[[Lineage], bool]) -> Inheritance:
    """Return what other ratings files in the folder of `out` came from, which its new lineage must go on telling.

    `is_own` says whether a lineage is one of the verb that is about to write. Raises RunError when `out` is a folder,
    when it lies beside any other lineage, and when it is a file that the verb did not write.
    """
    with explained_disk_errors(out):
        if out.is_dir():
            raise RunError(f"{out}: is a folder; --out names the ratings file to write, for example ratings.jsonl")
        lineage = read_lineage(out.parent) if (out.parent / LINEAGE_FILE).exists() else None
        if lineage is not None and not is_own(lineage):
            raise RunError(f"{out.parent}: holds the lineage of something else; give the ratings a folder of their own")
        is_same = lineage is not None and lineage.name == out.stem
        if out.exists() and not is_same:
            raise RunError(f"{out}: already exists and may hold ratings of people; delete it or choose another --out")
        if lineage is None or is_same:
            return Inheritance((), simulated=False)
        return Inheritance(lineage.ancestors, lineage.simulated)
