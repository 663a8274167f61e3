"""Arrays are kept whole by key, and what cannot be read is absent."""

from pathlib import Path

import numpy as np
import pytest

from steersman.store.arrays import FolderArrayStore
from steersman.store.cache import cache_folder


@pytest.fixture
def store(tmp_path: Path) -> FolderArrayStore:
    return FolderArrayStore(tmp_path / "arrays")


def only_file(folder: Path) -> Path:
    (file,) = [each for each in folder.rglob("*") if each.is_file()]
    return file


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int64, np.bool_])
def test_an_array_comes_back_as_it_was_kept(store: FolderArrayStore, dtype: type[np.generic]) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    store.put("key", array)
    found = store.get("key")
    assert found is not None
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_an_unknown_key_is_absent(store: FolderArrayStore) -> None:
    assert store.get("key") is None


def test_keys_may_hold_any_text_and_do_not_mix(store: FolderArrayStore) -> None:
    keys = ["a", "A", "../a", "a/b", "", "é" * 300]
    for number, key in enumerate(keys):
        store.put(key, np.array(number))
    assert [store.get(key) for key in keys] == list(range(len(keys)))


def test_keeping_again_replaces(store: FolderArrayStore) -> None:
    store.put("key", np.zeros(3))
    store.put("key", np.ones(1))
    assert store.get("key") == np.ones(1)


def test_another_store_on_the_same_folder_reads_it(store: FolderArrayStore, tmp_path: Path) -> None:
    store.put("key", np.ones(1))
    assert FolderArrayStore(tmp_path / "arrays").get("key") == np.ones(1)


@pytest.mark.parametrize("length", [0, 1, 50, -1])
def test_a_cut_file_is_absent_and_may_be_kept_anew(store: FolderArrayStore, tmp_path: Path, length: int) -> None:
    store.put("key", np.arange(100))
    file = only_file(tmp_path)
    file.write_bytes(file.read_bytes()[:length])
    assert store.get("key") is None
    store.put("key", np.arange(2))
    assert np.array_equal(store.get("key"), np.arange(2))  # type: ignore[arg-type]  # None would not be equal


def test_objects_are_not_kept(store: FolderArrayStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        store.put("key", np.array([object()]))
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_the_cache_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_CACHE", "/named")
    monkeypatch.setenv("XDG_CACHE_HOME", "/other")
    assert cache_folder() == Path("/named")


def test_without_a_name_the_cache_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEERSMAN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/base")
    assert cache_folder() == Path("/base/steersman")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/.cache/steersman")


@pytest.mark.parametrize("variable", ["STEERSMAN_CACHE", "XDG_CACHE_HOME"])
def test_an_empty_variable_names_no_folder(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("STEERSMAN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv(variable, "")
    assert cache_folder() == Path("/somewhere/.cache/steersman")
