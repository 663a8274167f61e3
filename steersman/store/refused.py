"""Leave no folder behind that was made for an attempt which was refused before it made anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from steersman.store.disk import LOCK_FILE
from steersman.store.runs import CONFIG_FILE


def missing_folders(folder: Path) -> list[Path]:
    """Return `folder` and those above it that do not exist, the lowest first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


@contextmanager
def removed_when_refused(missing: Sequence[Path]) -> Iterator[None]:
    """Remove the folders in `missing`, which were not there before, when the block fails and left nothing in them.

    The first is the folder of the attempt: its config and its lock, which this process holds, do not count.
    """
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if missing and {each.name for each in missing[0].iterdir()} <= {CONFIG_FILE, LOCK_FILE}:
                for name in (CONFIG_FILE, LOCK_FILE):
                    (missing[0] / name).unlink(missing_ok=True)
                for folder in missing:
                    folder.rmdir()
        raise
