"""Room for what is only needed while something is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from steersman.store.disk import explained_disk_errors


@contextmanager
def scratch_folder(inside: Path) -> Iterator[Path]:
    """Give an empty folder inside the folder `inside`; it is removed however the block ends."""
    with explained_disk_errors(inside), TemporaryDirectory(dir=inside, prefix=".scratch-") as name:
        yield Path(name)
