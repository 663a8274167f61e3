"""Run folders: one per stage, finished when `done` is there, redone when it is not.

`done` holds the fingerprint of what the stage was asked to do (its config, its inputs' hashes, the format version),
so that a changed config or input redoes the stage and everything after it.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from steersman.errors import DataError, RunError
from steersman.store.files import explained_disk_errors, read_json, remove_partials, write_json

DONE_FILE = "done"
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.jsonl"
SAMPLES_FILE = "samples.jsonl"
CHECKPOINT_FOLDER = "checkpoint"
REPORT_FILE = "report.html"
_LOCK_FILE = ".lock"
# Raise when a change of code makes finished stages of older versions unusable.
FORMAT_VERSION = 1


def fingerprint(identity: Mapping[str, object]) -> str:
    """Return a SHA-256 over a JSON-able description; equal descriptions give equal fingerprints."""
    text = json.dumps({"format": FORMAT_VERSION, **identity}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_finished(folder: Path, wanted: str) -> bool:
    """Return whether `folder` holds the finished result of exactly what `wanted` stands for."""
    try:
        value = read_json(folder / DONE_FILE)
    except DataError:
        return False
    return isinstance(value, dict) and value.get("fingerprint") == wanted


def start(folder: Path, *, keep: tuple[str, ...] = ()) -> None:
    """Empty `folder` of an unfinished or outdated attempt, except the entries named in `keep`."""
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # the marker goes first: from here on nobody may take the folder for finished
        (folder / DONE_FILE).unlink(missing_ok=True)
        for entry in sorted(folder.iterdir()):
            if entry.name in keep or entry.name == _LOCK_FILE:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        remove_partials(folder)


def finish(folder: Path, wanted: str, *, result: Mapping[str, object]) -> None:
    """Write the marker of completeness, last, with the stage's result."""
    write_json(folder / DONE_FILE, {"fingerprint": wanted, "result": dict(result)})


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
    """Hold `folder` for this process; raises RunError when another one holds it.

    The operating system lets go of the lock when the process dies, however it dies.
    """
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK_FILE)
    try:
        with explained_disk_errors(folder):
            lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"{folder}: another steersman is working there; wait for it or choose another --out") from error
    try:
        yield
    finally:
        lock.release()
