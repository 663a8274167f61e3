"""Find the files of a published collection: in a folder, as one file, at its pinned release, or under another name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from steersman.errors import ConfigError, DataError
from steersman.sources.files import SUFFIXES
from steersman.sources.items import Convert
from steersman.sources.registry import Source
from steersman.sources.releases import Release, fetch, list_names
from steersman.store.files import sha256_file
from steersman.store.lineage import LINEAGE_FILE, Ancestor, merge_ancestors, read_lineage

_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_INSTEAD = "give a local copy instead"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source: `name` is its path in the release or folder, `split` what its name says of it."""

    path: Path
    name: str
    split: str | None
    convert: Convert


@dataclass(frozen=True, slots=True)
class Located:
    """The files of a source in the order of their names, where they come from, and what a report must say of that.

    `simulated` when the lineage beside local files says that a modelled crowd had a part in them.
    """

    files: tuple[SourceFile, ...]
    ancestors: tuple[Ancestor, ...]
    notes: tuple[str, ...] = ()
    simulated: bool = False


def split_of(name: str) -> str | None:
    """Return the split that a file's name says it is: the last of its words that names one, None without any."""
    words = re.split(r"[^a-z]+", name.casefold())
    return next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), None)


def locate(source: Source, *, where: str | None, revision: str | None, cache: Path) -> Located:
    """Return the files of `source`: of its pinned release when `where` is None or its own name, else of `where`.

    `where` is a folder, a file, or another name on the hub; that, and any revision but the pinned one, needs
    `revision`, a commit of 40 hexadecimal digits. Raises DataError or RunError as `releases.fetch` does, DataError when
    there is no such place or it holds no files of the source, ConfigError for a revision that can move.
    """
    if where is not None and Path(where).exists():
        if revision is not None:
            raise ConfigError(f"--revision is for downloads; {where} is a local file or folder")
        return _local(source, Path(where))
    repository = source.release.repository if where is None else where
    if not _HUB_NAME.fullmatch(repository):
        raise DataError(f"{repository}: no such file or folder, and no name on the hub; check the path")
    return _released(source, _release(source, repository, revision=revision), cache=cache)


def _release(source: Source, repository: str, *, revision: str | None) -> Release:
    pinned = source.release
    is_own = repository.casefold() == pinned.repository.casefold()
    if is_own and revision in (None, pinned.revision):
        return pinned
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"{repository}: is no file or folder here; as a name on the hub it needs --revision, the 40 hexadecimal "
            "digits of a commit: a branch can move"
        )
    if is_own and pinned.host == "github":
        return replace(pinned, revision=revision, sha256=dict.fromkeys(pinned.sha256))
    known = _named(source, list_names(repository, revision=revision, instead=_INSTEAD))
    if not known:
        raise DataError(f"{repository} at {revision}: holds {_nothing_of(source)}")
    name, licence = (pinned.repository, pinned.licence) if is_own else (repository, None)
    return Release(name, revision, licence, dict.fromkeys(known))


def _released(source: Source, release: Release, *, cache: Path) -> Located:
    converts = _named(source, sorted(release.sha256))
    files = tuple(
        SourceFile(fetch(release, name, cache=cache, instead=_INSTEAD), name, split_of(name), convert)
        for name, convert in converts.items()
    )
    ancestor = Ancestor(release.repository, "data", source.role, release.licence, release.revision)
    if release.repository == source.release.repository:
        return Located(files, (ancestor,))
    # a copy under another name must not look freer than what it is most likely a copy of
    original = Ancestor(source.release.repository, "data", f"most likely copied: {source.role}", source.release.licence)
    note = (
        f"{release.repository} is not {source.release.repository}; it is taken for a copy, and its licence is unknown"
    )
    return Located(files, (ancestor, original), (note,))


def _local(source: Source, place: Path) -> Located:
    files = tuple(_folder_files(source, place) if place.is_dir() else [_single_file(source, place)])
    folder = place if place.is_dir() else place.parent
    beside = read_lineage(folder) if (folder / LINEAGE_FILE).is_file() else None
    known = {each for each in source.release.sha256.values() if each}
    is_published = bool(known) and all(sha256_file(file.path) in known for file in files)
    revision = source.release.revision if is_published else None
    own = Ancestor(source.release.repository, "data", source.role, source.release.licence, revision)
    note = f"{place.name} is taken for {own.work} by the name it was imported under; its checksum is no published one"
    ancestors = merge_ancestors([(own,), beside.ancestors if beside else ()])
    simulated = beside is not None and (beside.simulated or any(each.simulated for each in ancestors))
    return Located(files, ancestors, () if is_published else (note,), simulated)


def _folder_files(source: Source, folder: Path) -> list[SourceFile]:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    # a collection of one shape is also taken under names of the user's own
    found = _named(source, names) or (_plain(source, names) if len(source.kinds) == 1 else {})
    if not found:
        raise DataError(f"{folder}: holds {_nothing_of(source)}")
    twins = [name for name in found if f"{name}.gz" in found]
    if twins:
        raise DataError(f"{folder}: holds both {twins[0]} and {twins[0]}.gz; remove the one that is not meant")
    return [SourceFile(folder / name, name, split_of(name), convert) for name, convert in found.items()]


def _single_file(source: Source, path: Path) -> SourceFile:
    named = _named(source, [path.name])
    if not named and len(source.kinds) > 1:
        raise DataError(f"{path}: is by its name {_nothing_of(source)}; rename it")
    return SourceFile(path, path.name, split_of(path.name), named.get(path.name, source.kinds[0].convert))


def _named(source: Source, names: Sequence[str]) -> dict[str, Convert]:
    """Return those of `names` that are files of the source, with their readers."""
    found: dict[str, Convert] = {}
    for name in names:
        bare = name.removesuffix(".gz")
        for kind in source.kinds:
            if any(fnmatchcase(bare, pattern) for pattern in kind.names):
                found.setdefault(name, kind.convert)
    return found


def _plain(source: Source, names: Sequence[str]) -> dict[str, Convert]:
    return {name: source.kinds[0].convert for name in names if name.endswith(SUFFIXES) and name != LINEAGE_FILE}


def _nothing_of(source: Source) -> str:
    patterns = ", ".join(pattern for kind in source.kinds for pattern in kind.names)
    return f"no file of {source.name} ({patterns}, each plain or .gz)"
