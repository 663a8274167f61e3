"""Back an annotation database up into one file, and restore it, on either kind of database."""

from collections.abc import Mapping
from pathlib import Path

from steersman.store.database.backups import back_up, restore
from steersman.store.database.connection import shown_place
from steersman.store.database.copying import Contents


def backup_site(place: str | Path, *, out: Path) -> dict[str, object]:
    """Write a backup of the database at `place` to the new file `out`, while the site may be running.

    Raises DataError when there is no annotation database at `place`, RunError when `out` exists or cannot be written.
    """
    return {**_summary(back_up(place, out=out)), "database": shown_place(place), "out": str(out)}


def restore_site(file: Path, *, place: str | Path) -> dict[str, object]:
    """Restore a backup at a place that is free: the path of a new file, or the URL of an empty database.

    Raises DataError when `file` is no backup, RunError when the place is not free or cannot be written.
    """
    return {**_summary(restore(file, place=place)), "backup": str(file), "out": shown_place(place)}


def _summary(copied: Mapping[str, Contents]) -> dict[str, object]:
    # a copy that is not the same raises
    return {"tables": len(copied), "rows": sum(each.rows for each in copied.values()), "checked": True}
