"""What a file or folder inherits: the lineage beside it, or the fact that there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman.errors import DataError
from steersman.store.files import read_json
from steersman.store.lineage import LINEAGE_FILE, Ancestor, merge_ancestors, read_lineage

# Where a reward model's config.json says what it was made from, also when it was copied out of its run.
ORIGIN_KEY = "steersman_origin"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The ancestors of some inputs, and whether a modelled crowd was among them."""

    ancestors: tuple[Ancestor, ...]
    simulated: bool


def origin_in(config_file: Path) -> Inheritance | None:
    """Return what the config.json of a model says it was made from, None where it does not.

    Raises DataError when it is damaged.
    """
    if not config_file.is_file():
        return None
    config = read_json(config_file)
    value = config.get(ORIGIN_KEY) if isinstance(config, dict) else None
    if value is None:
        return None
    try:
        return Inheritance(tuple(Ancestor(**each) for each in value["ancestors"]), bool(value["simulated"]))
    except (KeyError, TypeError) as error:
        raise DataError(f"{config_file}: its entry {ORIGIN_KEY!r} is damaged ({error})") from error


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
