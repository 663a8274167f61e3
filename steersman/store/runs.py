"""Run folders: one per stage, finished when `done` is there, redone when it is not.

`done` holds the fingerprint of what the stage was asked to do (its config, its inputs' hashes, the format version),
so that a changed config or input redoes the stage and everything after it. A folder is ours when it bears our lock or
our `done`; no other folder that holds anything is ever written to.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from steersman.errors import DataError, RunError
from steersman.store.disk import LOCK_FILE, PARTIAL_SUFFIX
from steersman.store.files import explained_disk_errors, read_json, remove_partials, write_json, write_text
from steersman.store.lineage import LINEAGE_FILE, read_lineage

DONE_FILE = "done"
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.jsonl"
SAMPLES_FILE = "samples.jsonl"
CHECKPOINT_FOLDER = "checkpoint"
# what an interrupted attempt left for the next attempt at the very same thing
RESUME_FOLDER = "resume"
_RESUME_OF = "of"
REPORT_FILE = "report.html"
# What a redone stage held before: in the first while it is moved, in the second once all of it is there.
_MOVING_FOLDER, _OLD_FOLDER = ".old.moving", ".old"
_MAX_NAMES_SHOWN = 5
# Raise when a change of code makes finished stages of older versions unusable.
FORMAT_VERSION = 1


def fingerprint(identity: Mapping[str, object]) -> str:
    """Return a SHA-256 over a JSON-able description; equal descriptions give equal fingerprints."""
    text = json.dumps({"format": FORMAT_VERSION, **identity}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _marker(folder: Path) -> dict[str, object] | None:
    try:
        value = read_json(folder / DONE_FILE)
    except DataError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("fingerprint"), str) else None


def is_finished(folder: Path, wanted: str) -> bool:
    """Return whether `folder` holds the finished result of exactly what `wanted` stands for."""
    marker = _marker(folder)
    return marker is not None and marker["fingerprint"] == wanted


def refuse_foreign(folder: Path, *, stage: str, keep: tuple[str, ...] = ()) -> None:
    """Raise RunError when emptying `folder` would destroy anything but an attempt or a result of `stage`.

    Refused are a folder without a mark of ours, one that is or holds the result of another stage, and a finished one
    to which somebody added entries outside of `keep`.
    """
    with explained_disk_errors(folder):
        _refuse_unmarked(folder)
        entries = _entries(folder, keep=keep) if folder.is_dir() else []
        results = [each.name for each in entries if each.is_dir() and _is_result(each)]
    if results:
        raise RunError(f"{folder}: holds other results ({_shown(results)}); choose another --out")
    made_by = _stage_of(folder)
    if made_by not in (None, stage):
        raise RunError(f"{folder}: holds a result of '{made_by}', not of '{stage}'; choose another --out")
    added = _added(folder, entries)
    if added:
        words = f"holds what steersman did not write ({_shown(added)})"
        raise RunError(f"{folder}: {words}; move it away or choose another --out")


def _added(folder: Path, entries: Sequence[Path]) -> list[str]:
    """Return the names of entries of a finished folder that its marker does not know, in order."""
    marker = _marker(folder) or {}
    written = marker.get("entries")
    if not isinstance(written, list):
        return []
    known = {*written, DONE_FILE, REPORT_FILE}
    return [each.name for each in entries if each.name not in known and not each.name.endswith(PARTIAL_SUFFIX)]


def _refuse_unmarked(folder: Path) -> None:
    names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    if names and not _is_marked(folder):
        raise RunError(f"{folder}: holds what steersman did not write ({_shown(names)}); choose another --out")


def _is_marked(folder: Path) -> bool:
    lock = folder / LOCK_FILE
    return (lock.is_file() and lock.stat().st_size == 0) or _marker(folder) is not None


def _is_result(folder: Path) -> bool:
    return _is_marked(folder) or _stage_of(folder) is not None


def _stage_of(folder: Path) -> str | None:
    try:
        return read_lineage(folder).stage if (folder / LINEAGE_FILE).is_file() else None
    except DataError:
        return None


def _shown(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_NAMES_SHOWN
    return ", ".join(names[:_MAX_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _entries(folder: Path, *, keep: tuple[str, ...]) -> list[Path]:
    left_alone = {*keep, LOCK_FILE, _MOVING_FOLDER, _OLD_FOLDER}
    return sorted(each for each in folder.iterdir() if each.name not in left_alone)


@contextmanager
def attempt(folder: Path, *, keep: tuple[str, ...] = ()) -> Iterator[None]:
    """Give `folder` empty to the block, except the entries named in `keep`; the block ends by `finish`.

    A finished result that was there waits in a hidden folder. It comes back when the block fails, and by `put_back`
    when the process dies; it is removed once the new result is finished.
    """
    try:
        _set_aside(folder, keep=keep)
        start(folder, keep=keep)
        yield
    finally:
        put_back(folder, keep=keep)


def _set_aside(folder: Path, *, keep: tuple[str, ...]) -> None:
    if _marker(folder) is None:
        return
    with explained_disk_errors(folder):
        moving = folder / _MOVING_FOLDER
        moving.mkdir()
        # the marker goes first: from here on nobody may take the folder for finished
        (folder / DONE_FILE).rename(moving / DONE_FILE)
        for entry in _entries(folder, keep=keep):
            entry.rename(moving / entry.name)
        moving.rename(folder / _OLD_FOLDER)


def put_back(folder: Path, *, keep: tuple[str, ...] = ()) -> None:
    """Give a finished result that waits in `folder` its place again, or remove it where a new one is finished.

    It may be called after any interruption, also one of its own: entries are in one of two folders at every moment.
    """
    with explained_disk_errors(folder):
        old, moving = folder / _OLD_FOLDER, folder / _MOVING_FOLDER
        if old.is_dir():
            if _marker(folder) is not None:
                shutil.rmtree(old, ignore_errors=True)
                return
            _empty(folder, keep=keep)
            old.rename(moving)
        if moving.is_dir():
            # the marker goes last
            for entry in sorted(moving.iterdir(), key=lambda entry: entry.name == DONE_FILE):
                entry.rename(folder / entry.name)
            moving.rmdir()


def start(folder: Path, *, keep: tuple[str, ...] = ()) -> None:
    """Empty `folder` of an unfinished or outdated attempt, except the entries named in `keep`."""
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # the marker goes first: from here on nobody may take the folder for finished
        (folder / DONE_FILE).unlink(missing_ok=True)
        _empty(folder, keep=keep)
        remove_partials(folder)


def _empty(folder: Path, *, keep: tuple[str, ...]) -> None:
    for entry in _entries(folder, keep=keep):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def begin_resumable(folder: Path, wanted: str) -> None:
    """Make the folder of resumable work in `folder`, emptied of the work of anything but `wanted`.

    It outlives `attempt` where its name is among the entries to keep.
    """
    work = folder / RESUME_FOLDER
    with explained_disk_errors(work):
        mark = work / _RESUME_OF
        if not mark.is_file() or mark.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(work, ignore_errors=True)
            write_text(mark, wanted)


def drop_empty_resumable(folder: Path) -> None:
    """Remove the folder of resumable work in `folder` when an attempt failed before it kept any."""
    work = folder / RESUME_FOLDER
    if work.is_dir() and [each.name for each in work.iterdir()] == [_RESUME_OF]:
        end_resumable(folder)


def end_resumable(folder: Path) -> None:
    """Remove the work in `folder` that was kept to be resumed, once nothing is left to resume."""
    shutil.rmtree(folder / RESUME_FOLDER, ignore_errors=True)


def finish(folder: Path, wanted: str, *, result: Mapping[str, object]) -> None:
    """Write the marker of completeness, last, with the stage's result and the names of what it wrote."""
    entries = [each.name for each in _entries(folder, keep=())]
    write_json(folder / DONE_FILE, {"fingerprint": wanted, "result": dict(result), "entries": entries})


def read_result(folder: Path) -> dict[str, object]:
    """Return the result of a finished stage; raises RunError when it is not finished."""
    try:
        value = read_json(folder / DONE_FILE)
    except DataError as error:
        raise RunError(f"{folder}: not a finished run; run the verb that makes it again to finish it") from error
    if not isinstance(value, dict) or not isinstance(value.get("result"), dict):
        raise RunError(f"{folder / DONE_FILE}: damaged; delete the file and run again")
    return dict(value["result"])


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process.

    Raises RunError when another one holds it, or when it holds something and bears no mark of ours. The operating
    system lets go of the lock when the process dies, however it dies.
    """
    with explained_disk_errors(folder):
        _refuse_unmarked(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"{folder}: another steersman is working there; wait for it or choose another --out"
            ) from error
    try:
        yield
    finally:
        lock.release()
