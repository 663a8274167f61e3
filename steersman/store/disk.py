"""Put files and folders in place whole or not at all, and say plainly when the disk refuses.

Everything is made under a hidden name beside its place and renamed. What a killed process leaves behind bears such a
name too: the next writer of a folder, or `remove_partials`, puts an old folder back or clears the rest away.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from steersman.errors import RunError
from steersman.store.cache import CACHE_VARIABLE, cache_folder

PARTIAL_SUFFIX = ".partial"
LOCK_FILE = ".lock"
_ASIDE_SUFFIX = f".aside{PARTIAL_SUFFIX}"
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def explained_disk_errors(path: Path) -> Iterator[None]:
    """Turn whatever the operating system refuses into a RunError that names `path`, the reason and what to do.

    An OSError without a number passes: libraries raise those, for faults of a network or of a model.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise RunError(f"{path}: {_refusal(error, path=path)}") from error


def _refusal(error: OSError, *, path: Path) -> str:
    elsewhere = _elsewhere(path)
    if error.errno in _FULL_DISK:
        return f"no space left on the disk; free some space or {elsewhere}"
    if error.errno in _FORBIDDEN:
        return f"may not be written; check its permissions or {elsewhere}"
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long; choose a shorter --out"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"a file stands where a folder is needed; {elsewhere}"
    if isinstance(error, IsADirectoryError):
        return f"a folder stands where a file is needed; {elsewhere}"
    where = "" if error.filename in (None, str(path)) else f": {error.filename}"
    return f"cannot be written ({error.strerror}{where}); {elsewhere}"


def _elsewhere(path: Path) -> str:
    """Return how a user chooses another place for `path`, which is in the cache or belongs to --out."""
    if Path(os.path.abspath(path)).is_relative_to(os.path.abspath(cache_folder())):
        return f"set {CACHE_VARIABLE} to another folder"
    return "choose another --out"


def _beside(path: Path, name: str) -> Path:
    # made absolute, because "." and ".." have no name of their own
    place = Path(os.path.abspath(path))
    return place.parent / f".{place.name}.{name}"


def _temporary_name(path: Path) -> Path:
    return _beside(path, f"{os.getpid()}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")


def _aside_name(path: Path) -> Path:
    return _beside(path, _ASIDE_SUFFIX.removeprefix("."))


@contextmanager
def renamed_when_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; it takes the place of `path` once the block ends well, else it is removed."""
    temporary = _temporary_name(path)
    try:
        with explained_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        # the parent may be missing, or a file: then there is nothing to remove, and the first error must be seen
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it takes the place of `path` once the block ends well, else it is removed.

    Whenever the process is killed, the old folder or the new one is whole: at `path`, or beside it under a name from
    which the next call puts it back.
    """
    temporary = _temporary_name(path)
    try:
        with explained_disk_errors(path):
            _mend(path)
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            temporary.mkdir(parents=True)
            with _held(temporary):
                yield temporary
            if path.exists():
                path.rename(_aside_name(path))
            temporary.rename(path)
    finally:
        with suppress(OSError):
            _put_back(path)
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock `folder` while it is filled, so that nobody takes it for the leavings of a dead process."""
    with FileLock(folder / LOCK_FILE):
        yield
    (folder / LOCK_FILE).unlink(missing_ok=True)


def _is_held(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            return False
    except OSError:
        return True


def _mend(path: Path) -> None:
    """Put back or clear away what killed writers of the folder `path` left beside it."""
    _put_back(path)
    place = Path(os.path.abspath(path))
    left_behind = re.compile(rf"\.{re.escape(place.name)}\.\d+\.[0-9a-f]{{8}}{re.escape(PARTIAL_SUFFIX)}")
    for left in place.parent.iterdir() if place.parent.is_dir() else ():
        if left_behind.fullmatch(left.name) and left.is_dir() and not _is_held(left):
            _remove(left)


def _put_back(path: Path) -> None:
    """Give the old folder set aside for `path` its place again, or remove it where a new one stands there."""
    aside = _aside_name(path)
    if not os.path.lexists(aside):
        return
    if path.exists():
        _remove(aside)
    else:
        aside.rename(path)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what a killed process left half-written anywhere below `folder`; put back what it had only set aside."""
    for left in sorted(folder.rglob(f".*{PARTIAL_SUFFIX}"), reverse=True):
        if left.name.endswith(_ASIDE_SUFFIX):
            _put_back(left.with_name(left.name[1:].removesuffix(_ASIDE_SUFFIX)))
        else:
            _remove(left)
