"""Published files are fetched once, at a revision, and held to their sums; hub and GitHub are played here."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_hub import DownloadHub, download_hub

from steersman.errors import DataError, RunError
from steersman.sources.releases import Host, Release, fetch, list_names

DATA = b'{"a": 1}\n'
SUM = hashlib.sha256(DATA).hexdigest()
REVISION = "0123456789abcdef" * 2 + "01234567"
HOSTS: tuple[Host, ...] = ("hub", "github")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadHub]:
    with download_hub(monkeypatch) as served:
        yield served


def release(host: Host, *, sha256: str | None = SUM) -> Release:
    return Release("someone/data", REVISION, "MIT", {"part/file.jsonl": sha256}, host)


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_is_fetched_at_its_revision(hub: DownloadHub, tmp_path: Path, host: Host) -> None:
    hub.hold("someone/data", REVISION, {"part/file.jsonl": DATA})
    hub.hold("someone/data", "f" * 40, {"part/file.jsonl": b"other"})
    path = fetch(release(host), "part/file.jsonl", cache=tmp_path, instead="do")
    assert (path.read_bytes(), path.name) == (DATA, "file.jsonl")


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_is_there_is_not_fetched_again(hub: DownloadHub, tmp_path: Path, host: Host) -> None:
    hub.hold("someone/data", REVISION, {"part/file.jsonl": DATA})
    fetch(release(host), "part/file.jsonl", cache=tmp_path, instead="do")
    asked = len(hub.requests)
    fetch(release(host), "part/file.jsonl", cache=tmp_path, instead="do")
    assert len(hub.requests) == asked


@pytest.mark.parametrize("host", HOSTS)
def test_another_content_than_the_published_one_is_refused(hub: DownloadHub, tmp_path: Path, host: Host) -> None:
    hub.hold("someone/data", REVISION, {"part/file.jsonl": b"altered"})
    with pytest.raises(DataError, match=f"{SUM} was published for someone/data at {REVISION}"):
        fetch(release(host), "part/file.jsonl", cache=tmp_path, instead="do")


@pytest.mark.parametrize("host", HOSTS)
def test_without_a_published_sum_the_first_download_counts(hub: DownloadHub, tmp_path: Path, host: Host) -> None:
    hub.hold("someone/data", REVISION, {"part/file.jsonl": DATA})
    path = fetch(release(host, sha256=None), "part/file.jsonl", cache=tmp_path, instead="do")
    path.write_bytes(b"altered")
    with pytest.raises(DataError, match=f"{SUM} was recorded at the first download"):
        fetch(release(host, sha256=None), "part/file.jsonl", cache=tmp_path, instead="do")


@pytest.mark.parametrize(("host", "called"), [("hub", "the hub"), ("github", "GitHub")])
def test_a_file_that_is_not_there_says_what_to_do_instead(
    hub: DownloadHub, tmp_path: Path, host: Host, called: str
) -> None:
    with pytest.raises(RunError, match=f"(?s)file.jsonl cannot be fetched from {called} .*; give a local copy"):
        fetch(release(host), "part/file.jsonl", cache=tmp_path, instead="give a local copy")


def test_a_download_that_breaks_leaves_nothing_behind(hub: DownloadHub, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        fetch(release("github"), "part/file.jsonl", cache=tmp_path, instead="do")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_names_of_a_revision_are_listed_in_order(hub: DownloadHub) -> None:
    hub.hold("someone/data", REVISION, {"b.jsonl": DATA, "a/c.jsonl": DATA})
    assert list_names("someone/data", revision=REVISION, instead="do") == ["a/c.jsonl", "b.jsonl"]


def test_a_revision_that_is_not_there_says_what_to_do_instead(hub: DownloadHub) -> None:
    with pytest.raises(RunError, match=r"(?s)its files cannot be listed on the hub .*; give a local copy"):
        list_names("someone/data", revision=REVISION, instead="give a local copy")
