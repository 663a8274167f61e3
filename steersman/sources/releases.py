"""Fetch files of published data at a pinned revision, from the hub or from GitHub, and hold each to its checksum."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of httpx in 1.x, of httpx2 in 2.x

from steersman.errors import DataError, RunError
from steersman.sources.hub_log import quiet_hub
from steersman.store.files import explained_disk_errors, read_json, renamed_when_whole, sha256_file, write_json

Host = Literal["hub", "github"]

GITHUB = "https://raw.githubusercontent.com"
_MOST_LETTERS = 200
_HOSTS: dict[Host, str] = {"hub": "the hub", "github": "GitHub"}
# RuntimeError is what the hub's native transfer library raises when a connection breaks
_FETCH_ERRORS = (OSError, HTTPError, httpx.HTTPError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Release:
    """Published data: `sha256` names its files, each with its published checksum or None where there is none."""

    repository: str
    revision: str
    licence: str | None
    sha256: Mapping[str, str | None]
    host: Host = "hub"


def fetch(release: Release, name: str, *, cache: Path, instead: str) -> Path:
    """Return the file `name` of a release, downloaded into the folder `cache` unless it is there already.

    Raises RunError that ends with the advice `instead` when it cannot be fetched, DataError when its checksum is not
    the published one, or, where none is published, not that of the first download.
    """
    try:
        with explained_disk_errors(cache), quiet_hub():
            path = _download(release, name, cache=cache)
    except _FETCH_ERRORS as error:
        raise RunError(
            f"{release.repository}: {name} cannot be fetched from {_HOSTS[release.host]} ({_short(error)}); {instead}"
        ) from error
    _check_sum(release, name, path=path, cache=cache)
    return path


def list_names(repository: str, *, revision: str, instead: str) -> list[str]:
    """Return the names of all files of a data set on the hub; raises RunError when it cannot be reached."""
    try:
        return sorted(HfApi().list_repo_files(repository, repo_type="dataset", revision=revision))
    except _FETCH_ERRORS as error:
        raise RunError(f"{repository}: its files cannot be listed on the hub ({_short(error)}); {instead}") from error


def _short(error: Exception) -> str:
    """Return the kind of an error and the beginning of what it says: the hub's own texts run over many lines."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:_MOST_LETTERS]}{'...' if len(words) > _MOST_LETTERS else ''}"


def _download(release: Release, name: str, *, cache: Path) -> Path:
    if release.host == "github":
        return _from_github(release, name, cache=cache)
    found = hf_hub_download(release.repository, name, repo_type="dataset", revision=release.revision, cache_dir=cache)
    return Path(found)


def _from_github(release: Release, name: str, *, cache: Path) -> Path:
    path = _downloads(release, cache=cache) / release.revision / name
    if path.is_file():
        return path
    url = f"{GITHUB}/{release.repository}/{release.revision}/{name}"
    with (
        renamed_when_whole(path) as temporary,
        httpx.stream("GET", url, follow_redirects=True) as response,
        temporary.open("wb") as written,
    ):
        response.raise_for_status()
        for chunk in response.iter_bytes():
            written.write(chunk)
    return path


def _downloads(release: Release, *, cache: Path) -> Path:
    kind = "datasets" if release.host == "hub" else release.host
    return cache / f"{kind}--{_flat(release.repository)}"


def _check_sum(release: Release, name: str, *, path: Path, cache: Path) -> None:
    found, published = sha256_file(path), release.sha256.get(name)
    expected = published or _first_sum(release, name, found=found, cache=cache)
    if found != expected:
        says = "published" if published else "recorded at the first download"
        raise DataError(
            f"{path}: SHA-256 is {found}, but {expected} was {says} for {release.repository} at {release.revision}; "
            f"delete {_downloads(release, cache=cache)} to fetch it again, and do not use it if the sums still differ"
        )


def _first_sum(release: Release, name: str, *, found: str, cache: Path) -> str:
    """Return the sum the first download of `name` had, which is `found` when this is the first."""
    record = cache / f"{_flat(release.repository)}.{release.revision}.sha256.json"
    sums = read_json(record) if record.exists() else {}
    if not isinstance(sums, dict):
        raise DataError(f"{record}: not a record of checksums; delete it")
    if name not in sums:
        write_json(record, {**sums, name: found})
    return str(sums.get(name, found))


def _flat(repository: str) -> str:
    return repository.replace("/", "--")
