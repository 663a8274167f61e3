"""A collection is found in a folder, as one file, at its pinned release or under another name, with its origin."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from download_hub import DownloadHub, download_hub

from steersman.cli import import_verb
from steersman.errors import ConfigError, DataError, PluginError
from steersman.sources.locating import Located, locate, split_of
from steersman.sources.registry import SOURCES, Source, find_source
from steersman.store.ledger import judge, shipped_ledger
from steersman.store.lineage import Ancestor, Lineage, write_lineage

HH = SOURCES["hh-rlhf"]
OTHER_REVISION = "f" * 40


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadHub]:
    with download_hub(monkeypatch) as served:
        yield served


def find(source: Source, tmp_path: Path, *, where: Path | str | None = None, revision: str | None = None) -> Located:
    return locate(source, where=None if where is None else str(where), revision=revision, cache=tmp_path / "cache")


def with_files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("harmless-base/train.jsonl.gz", "train"),
        ("harmless-base.test.jsonl.gz", "test"),
        ("data/validation-00000-of-00001-134b8fd0c89408b6.parquet", "validation"),
        ("val.jsonl", "validation"),
        ("data/rlaif.parquet", None),
        ("testset-v1.json", None),
        # the word of the file, not of its folder
        ("train/test.jsonl", "test"),
    ],
)
def test_the_split_is_what_the_name_says(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_a_folder_gives_the_files_of_the_release_and_no_others(tmp_path: Path) -> None:
    folder = with_files(
        tmp_path / "hh",
        "helpful-base/train.jsonl.gz",
        "harmless-base/test.jsonl",
        "red-team-attempts/red_team_attempts.jsonl.gz",
        "README.md",
    )
    files = find(HH, tmp_path, where=folder).files
    assert [(file.name, file.split) for file in files] == [
        ("harmless-base/test.jsonl", "test"),
        ("helpful-base/train.jsonl.gz", "train"),
    ]


def test_a_folder_with_other_names_is_taken_where_a_collection_has_one_shape(tmp_path: Path) -> None:
    folder = with_files(tmp_path / "oasst", "mine.validation.jsonl", "lineage.txt")
    assert [file.name for file in find(SOURCES["oasst"], tmp_path, where=folder).files] == ["mine.validation.jsonl"]


def test_files_of_several_shapes_are_told_apart_by_name(tmp_path: Path) -> None:
    names = ("disagreements/disagreements.jsonl", "preference/preference.jsonl.gz", "train.jsonl", "validation.jsonl")
    files = find(SOURCES["helpsteer2"], tmp_path, where=with_files(tmp_path / "hs2", *names)).files
    assert [file.name for file in files] == list(names)
    assert len({file.convert for file in files}) == 3


def test_one_file_is_read_whatever_it_is_called_where_a_collection_has_one_shape(tmp_path: Path) -> None:
    path = with_files(tmp_path, "mine.jsonl") / "mine.jsonl"
    assert find(HH, tmp_path, where=path).files[0].path == path


@pytest.mark.parametrize(
    ("source", "names", "where", "words"),
    [
        ("helpsteer2", ["mine.jsonl"], "mine.jsonl", "is by its name no file of helpsteer2 .*; rename it"),
        ("helpsteer2", ["mine.jsonl"], "", "holds no file of helpsteer2"),
        ("oasst", ["README.md"], "", "holds no file of oasst"),
        ("helpsteer", ["train.jsonl", "train.jsonl.gz"], "", "holds both train.jsonl and train.jsonl.gz"),
        ("hh-rlhf", [], "absent.jsonl", "no such file or folder, and no name on the hub"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, source: str, names: list[str], where: str, words: str) -> None:
    folder = with_files(tmp_path / "data", *names)
    folder.mkdir(exist_ok=True)
    with pytest.raises(DataError, match=words):
        find(SOURCES[source], tmp_path, where=folder / where)


def test_a_local_copy_has_the_licence_of_its_name_and_a_note_that_nobody_checked_it(tmp_path: Path) -> None:
    located = find(HH, tmp_path, where=with_files(tmp_path / "hh", "helpful-base/train.jsonl.gz"))
    assert located.ancestors == (Ancestor("Anthropic/hh-rlhf", "data", HH.role, "MIT"),)
    assert "its checksum is no published one" in located.notes[0]


def test_a_local_copy_of_the_published_file_is_at_its_revision(tmp_path: Path) -> None:
    path = with_files(tmp_path, "train.jsonl.gz") / "train.jsonl.gz"
    release = replace(HH.release, sha256={"helpful-base/train.jsonl.gz": hashlib.sha256(b"x").hexdigest()})
    located = find(replace(HH, release=release), tmp_path, where=path)
    assert (located.ancestors[0].revision, located.notes) == (HH.release.revision, ())


def test_a_lineage_beside_local_files_is_added(tmp_path: Path) -> None:
    folder = with_files(tmp_path / "hh", "helpful-base/train.jsonl.gz")
    crowd = Ancestor("steersman-simulated-crowd", "annotators", "ratings", None, simulated=True)
    write_lineage(folder, Lineage("mine", "clean", "2025-01-01T00:00:00Z", 1.0, 1, "0", {}, (crowd,), simulated=True))
    located = find(HH, tmp_path, where=folder)
    assert located.ancestors[1:] == (crowd,)
    assert located.simulated


def test_the_pinned_release_is_fetched_without_asking_what_there_is(hub: DownloadHub, tmp_path: Path) -> None:
    files = {name: gzip.compress(name.encode()) for name in HH.release.sha256}
    hub.hold("Anthropic/hh-rlhf", HH.release.revision, files)
    located = find(HH, tmp_path)
    assert [file.name for file in located.files] == sorted(HH.release.sha256)
    assert located.ancestors == (Ancestor("Anthropic/hh-rlhf", "data", HH.role, "MIT", HH.release.revision),)
    assert not any("/tree/" in request for request in hub.requests)


def test_another_revision_is_listed_first_and_recorded(hub: DownloadHub, tmp_path: Path) -> None:
    hub.hold("Anthropic/hh-rlhf", OTHER_REVISION, {"helpful-new/train.jsonl.gz": b"x", "README.md": b"y"})
    located = find(HH, tmp_path, revision=OTHER_REVISION)
    assert [file.name for file in located.files] == ["helpful-new/train.jsonl.gz"]
    assert located.ancestors[0].revision == OTHER_REVISION


def test_a_copy_under_another_name_is_as_restricted_as_what_it_is_likely_a_copy_of(
    hub: DownloadHub, tmp_path: Path
) -> None:
    hub.hold("someone/nectar", OTHER_REVISION, {"data/rlaif.parquet": b"x"})
    located = find(SOURCES["nectar"], tmp_path, where="someone/nectar", revision=OTHER_REVISION)
    assert [each.work for each in located.ancestors] == ["someone/nectar", "berkeley-nest/Nectar"]
    assert located.ancestors[0].licence is None
    assert judge(located.ancestors).commercial_use == "forbidden"


@pytest.mark.parametrize("revision", [None, "main", "abc"])
def test_a_name_on_the_hub_needs_a_commit_because_a_branch_can_move(tmp_path: Path, revision: str | None) -> None:
    with pytest.raises(ConfigError, match="needs --revision, the 40 hexadecimal digits of a commit"):
        find(HH, tmp_path, where="someone/data", revision=revision)


def test_a_revision_of_a_local_file_means_nothing(tmp_path: Path) -> None:
    path = with_files(tmp_path, "mine.jsonl") / "mine.jsonl"
    with pytest.raises(ConfigError, match="--revision is for downloads"):
        find(HH, tmp_path, where=path, revision=OTHER_REVISION)


@pytest.mark.parametrize("name", ["helpsteer3", "nvidia/HelpSteer3", "NVIDIA/helpsteer3"])
def test_a_source_is_found_by_its_name_or_its_repository(name: str) -> None:
    assert find_source(name) is SOURCES["helpsteer3"]


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(
        PluginError, match=r"no source 'helpsteer4'; known are helpsteer, helpsteer2, helpsteer3, oasst"
    ):
        find_source("helpsteer4")


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_every_source_names_files_it_can_read_at_a_commit_and_a_work_the_ledger_knows(source: Source) -> None:
    patterns = [pattern for kind in source.kinds for pattern in kind.names]
    assert source.release.sha256
    assert len(source.release.revision) == 40
    assert all(
        any(Path(name).match(pattern) for pattern in (*patterns, *(f"{each}.gz" for each in patterns)))
        for name in source.release.sha256
    )
    works = {work.name: work for work in shipped_ledger().works}
    assert works[source.release.repository].licence == source.release.licence


VERDICTS = {
    "helpsteer": "clear",
    "helpsteer2": "clear",
    "helpsteer3": "clear",
    "oasst": "clear",
    "hh-rlhf": "clear",
    "ultrafeedback": "forbidden",
    "nectar": "forbidden",
    "daring-anteater": "clear",
    "pandalm": "forbidden",
    "squality": "clear",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_every_source_gets_the_verdict_of_what_it_was_made_from(source: Source) -> None:
    ancestor = Ancestor(source.release.repository, "data", source.role, source.release.licence)
    assert judge([ancestor]).commercial_use == VERDICTS[source.name]


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_the_page_and_the_help_name_every_source(source: Source) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text("utf-8")
    assert f"| `{source.name}` | [{source.release.repository}](" in page
    assert f"| `{source.name}` | `{source.release.revision}`" in page
    assert source.name in str(import_verb.import_data.help)
