"""Released labels are read whole, checked, and nothing odd about them goes unsaid."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman.errors import DataError, RunError
from steersman.records import ATTRIBUTES
from steersman.sources.helpsteer2 import HELPSTEER2, read_helpsteer2, read_release
from steersman.sources.releases import Release
from steersman.store.lineage import Ancestor, Lineage, write_lineage

Row = dict[str, object]


def _row(prompt: str, response: str, *, score: object = 3) -> Row:
    return {"prompt": prompt, "response": response, **dict.fromkeys(ATTRIBUTES, score)}


def _pair(prompt: str, *, score: object = 3) -> list[Row]:
    return [_row(prompt, f"{prompt} one", score=score), _row(prompt, f"{prompt} two", score=score)]


TRAIN = [*_pair("a"), *_pair("b")]
VALIDATION = _pair("c")
DISAGREEMENTS = _pair("a", score=[1, 2, 3])


def _jsonl(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _folder(path: Path, *, train: list[Row] | None = None, validation: list[Row] | None = None) -> str:
    path.mkdir(exist_ok=True)
    (path / "train.jsonl").write_bytes(_jsonl(TRAIN if train is None else train))
    (path / "validation.jsonl").write_bytes(_jsonl(VALIDATION if validation is None else validation))
    return str(path)


def _add_disagreements(folder: str, rows: list[Row]) -> None:
    (Path(folder) / "disagreements").mkdir()
    (Path(folder) / "disagreements" / "disagreements.jsonl.gz").write_bytes(gzip.compress(_jsonl(rows)))


def test_a_folder_is_read_in_order(tmp_path: Path) -> None:
    data = read_helpsteer2(_folder(tmp_path), cache=tmp_path)
    assert data.train.to_dicts() == TRAIN
    assert data.validation.to_dicts() == VALIDATION
    assert data.disagreements is None


def test_compressed_files_are_read_too(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (tmp_path / "train.jsonl").unlink()
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(_jsonl(TRAIN)))
    assert read_helpsteer2(folder, cache=tmp_path).train.to_dicts() == TRAIN


def test_single_ratings_are_read_where_they_are(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _add_disagreements(folder, DISAGREEMENTS)
    data = read_helpsteer2(folder, cache=tmp_path)
    assert data.disagreements is not None
    assert data.disagreements.to_dicts() == DISAGREEMENTS
    assert not any("aggregated" in note for note in data.notes)


def test_labels_without_single_ratings_are_noted_as_aggregated(tmp_path: Path) -> None:
    notes = read_helpsteer2(_folder(tmp_path), cache=tmp_path).notes
    assert any("labels are already aggregated" in note for note in notes)


def test_single_ratings_out_of_pairs_are_noted(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    _add_disagreements(folder, DISAGREEMENTS[:1])
    notes = read_helpsteer2(folder, cache=tmp_path).notes
    assert "disagreements: 1 pairs of adjacent rows do not share a prompt" in notes


def test_rows_out_of_pairs_are_all_named_by_line(tmp_path: Path) -> None:
    lines = _jsonl([*_pair("a"), _row("b", "x"), _row("c", "y"), _row("d", "z")]).split(b"\n")
    folder = _folder(tmp_path)
    # an empty line before the second pair: the rows are then on lines 4, 5 and 6
    (tmp_path / "train.jsonl").write_bytes(b"\n".join([*lines[:2], b"", *lines[2:]]))
    with pytest.raises(DataError) as caught:
        read_helpsteer2(folder, cache=tmp_path)
    assert "train.jsonl:4: its prompt differs from that of the next row" in str(caught.value)
    assert "train.jsonl:6: the last row has no partner" in str(caught.value)


def test_exact_duplicates_are_kept_and_noted(tmp_path: Path) -> None:
    twin = [_row("b", "same"), _row("b", "same")]
    data = read_helpsteer2(_folder(tmp_path, train=[*_pair("a"), *twin]), cache=tmp_path)
    assert data.train.height == 4
    assert "train: rows 3 and 4 (from 1) are exact duplicates; all are kept" in data.notes


def test_equal_responses_with_unequal_scores_are_no_duplicates(tmp_path: Path) -> None:
    twin = [_row("b", "same", score=1), _row("b", "same", score=2)]
    data = read_helpsteer2(_folder(tmp_path, train=twin), cache=tmp_path)
    assert not any("duplicates" in note for note in data.notes)


def test_validation_prompts_that_are_in_train_are_noted(tmp_path: Path) -> None:
    data = read_helpsteer2(_folder(tmp_path, validation=[*_pair("c"), *_pair("b")]), cache=tmp_path)
    assert "1 prompts of validation are in train too; all are kept" in data.notes


def test_scores_outside_the_scale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.jsonl:1: 'helpfulness' must be from 0 to 4, got 5"):
        read_helpsteer2(_folder(tmp_path, train=_pair("a", score=5)), cache=tmp_path)


def test_a_folder_without_validation_says_what_is_missing(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (tmp_path / "validation.jsonl").unlink()
    with pytest.raises(DataError, match=r"no validation.jsonl or validation.jsonl.gz; .* 'nvidia/HelpSteer2'"):
        read_helpsteer2(folder, cache=tmp_path)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_helpsteer2(str(tmp_path / "absent"), cache=tmp_path)


def test_two_files_for_one_split_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(_jsonl(TRAIN)))
    with pytest.raises(DataError, match=r"holds both train.jsonl and train.jsonl.gz"):
        read_helpsteer2(folder, cache=tmp_path)


def test_a_folder_of_unknown_origin_has_no_licence(tmp_path: Path) -> None:
    data = read_helpsteer2(_folder(tmp_path / "mine"), cache=tmp_path)
    assert data.ancestors == (Ancestor("mine", "data", "prompts, responses and ratings", None),)
    assert any("origin and licence are unknown" in note for note in data.notes)


def test_a_folder_with_a_lineage_hands_its_ancestors_on(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    crowd = Ancestor("steersman-simulated-crowd", "annotators", "ratings", None, simulated=True)
    lineage = Lineage("demo", "clean", "2025-01-01T00:00:00Z", 1.0, 1, "0", {}, (crowd,), simulated=True)
    write_lineage(tmp_path, lineage)
    assert read_helpsteer2(folder, cache=tmp_path).ancestors == (crowd,)


@pytest.mark.parametrize("simulated", [True, False])
def test_a_folder_marked_as_simulated_hands_the_mark_on_whatever_its_ancestors(tmp_path: Path, simulated: bool) -> None:
    folder = _folder(tmp_path)
    mine = Ancestor("mine", "data", "ratings", None)
    write_lineage(tmp_path, Lineage("demo", "clean", "2025-01-01T00:00:00Z", 1.0, 1, "0", {}, (mine,), simulated))
    assert read_helpsteer2(folder, cache=tmp_path).simulated is simulated


FILES = {
    "train.jsonl.gz": gzip.compress(_jsonl(TRAIN), mtime=0),
    "validation.jsonl.gz": gzip.compress(_jsonl(VALIDATION), mtime=0),
    "disagreements/disagreements.jsonl.gz": gzip.compress(_jsonl(DISAGREEMENTS), mtime=0),
}
SUMS = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
RELEASE = Release(
    repository="someone/labels",
    revision="0123abc",
    licence="CC-BY-4.0",
    sha256={**SUMS, "disagreements/disagreements.jsonl.gz": None},
)

Serve = Callable[[dict[str, bytes]], None]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return a function that decides what the hub has; the hub is foreign, so that it may be played here."""

    def serve(files: dict[str, bytes]) -> None:
        def hf_hub_download(repo_id: str, filename: str, *, repo_type: str, revision: str, cache_dir: Path) -> str:
            assert repo_type == "dataset"
            path = cache_dir / repo_id / revision / filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[filename])
            return str(path)

        monkeypatch.setattr("steersman.sources.releases.hf_hub_download", hf_hub_download)

    return serve


def test_a_release_is_fetched_and_its_ancestor_named(tmp_path: Path, serve: Serve) -> None:
    serve(FILES)
    data = read_release(RELEASE, cache=tmp_path)
    assert data.train.to_dicts() == TRAIN
    assert data.disagreements is not None
    assert data.disagreements.to_dicts() == DISAGREEMENTS
    assert data.ancestors == (
        Ancestor("someone/labels", "data", "prompts, responses and ratings", "CC-BY-4.0", revision="0123abc"),
    )
    assert (tmp_path / "someone/labels/0123abc/train.jsonl.gz").is_file()


def test_the_hub_name_means_the_published_files_and_no_others(tmp_path: Path, serve: Serve) -> None:
    serve(FILES)
    with pytest.raises(DataError) as caught:
        read_helpsteer2("nvidia/HelpSteer2", cache=tmp_path)
    assert SUMS["train.jsonl.gz"] in str(caught.value)
    assert str(HELPSTEER2.sha256["train.jsonl.gz"]) in str(caught.value)


def test_a_file_without_published_sum_must_stay_as_first_seen(tmp_path: Path, serve: Serve) -> None:
    serve(FILES)
    read_release(RELEASE, cache=tmp_path)
    other = gzip.compress(_jsonl(_pair("a", score=[4, 4])), mtime=0)
    serve({**FILES, "disagreements/disagreements.jsonl.gz": other})
    with pytest.raises(DataError, match="recorded at the first download") as caught:
        read_release(RELEASE, cache=tmp_path)
    assert SUMS["disagreements/disagreements.jsonl.gz"] in str(caught.value)
    assert hashlib.sha256(other).hexdigest() in str(caught.value)


def test_a_release_that_stays_the_same_is_read_again(tmp_path: Path, serve: Serve) -> None:
    serve(FILES)
    first = read_release(RELEASE, cache=tmp_path)
    assert read_release(RELEASE, cache=tmp_path).train.equals(first.train)


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("too slow"), RuntimeError("no route")])
def test_an_unreachable_hub_points_to_a_local_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("steersman.sources.releases.hf_hub_download", fail)
    with pytest.raises(RunError, match=r"train.jsonl.gz cannot be fetched .* give a local folder"):
        read_helpsteer2("nvidia/HelpSteer2", cache=tmp_path)


@pytest.mark.data
def test_real_labels_are_read_whole_and_in_pairs(data_folder: Path, tmp_path: Path) -> None:
    data = read_helpsteer2(str(data_folder / "helpsteer2"), cache=tmp_path)
    assert (data.train.height, data.validation.height) == (1368, 224)
    assert data.train["prompt"].gather_every(2).equals(data.train["prompt"].gather_every(2, offset=1))
    assert any("already aggregated" in note for note in data.notes)
