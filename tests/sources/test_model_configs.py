"""The shape of a model is had without its weights: from a folder, from what is known, or from the hub's config.json."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from steersman.engine.model_shape import ModelShape
from steersman.errors import PluginError
from steersman.sources.hub_log import quiet_hub
from steersman.sources.model_configs import PublishedShape, find_model_config, published_shapes
from steersman.sources.models import find_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = {"model_type": "llama", "hidden_size": 8}


@pytest.mark.parametrize(("name", "published"), sorted(published_shapes().items()))
def test_a_known_shape_has_as_many_weights_as_its_repository_states(name: str, published: PublishedShape) -> None:
    assert ModelShape.from_config(published.config, source=name).policy_parameters == published.parameters


def test_the_random_model_is_written_in_the_shape_that_is_known(tiny_model_folder: Path) -> None:
    written = json.loads((tiny_model_folder / "config.json").read_text(encoding="utf-8"))
    known = published_shapes()["tiny-random"].config
    assert {key: written[key] for key in known} == known


def test_a_folder_is_read_before_anything_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Qwen" / "Qwen2.5-7B"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert find_model_config("Qwen/Qwen2.5-7B", cache=tmp_path).values == CONFIG


@pytest.mark.parametrize(("name", "layers"), [("smollm2-135m-instruct", 30), ("meta-llama/Meta-Llama-3-70B@main", 80)])
def test_a_known_model_needs_no_connection_and_its_source_is_said(name: str, layers: int, tmp_path: Path) -> None:
    found = find_model_config(name, cache=tmp_path)
    assert found.values["num_hidden_layers"] == layers
    assert found.source.startswith("the published shape of ")


@pytest.mark.parametrize(
    ("text", "words"), [(None, "no config.json"), ("{", "cannot be read as JSON"), ("[]", "holds no settings")]
)
def test_a_folder_without_a_readable_config_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(PluginError, match=words):
        find_model_config(str(tmp_path), cache=tmp_path)


def test_a_config_is_taken_from_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = tmp_path / "models--owner--name"
    files = model / "snapshots" / COMMIT
    files.mkdir(parents=True)
    (files / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    assert find_model_config("owner/name", cache=tmp_path).values == CONFIG
    with pytest.raises(PluginError, match=r"no known shape, and its config\.json cannot be had from the hub"):
        find_model_config("owner/other", cache=tmp_path)


class Told(logging.Handler):
    """Keeps what the hub's library says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def unreachable_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Point the hub's library at a port where nobody listens, without its pauses, and collect what it says."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    logger, told = logging.getLogger("huggingface_hub"), Told()
    logger.addHandler(told)
    yield told
    logger.removeHandler(told)


def test_a_hub_that_cannot_be_reached_is_told_in_one_error_alone(unreachable_hub: Told, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"holds its config\.json, or one of Qwen/Qwen2\.5-7B, .* and so on$"):
        find_model_config("Qwen/Qwen2.5-7B-Chat", cache=tmp_path)
    with pytest.raises(PluginError, match="the hub cannot be reached and it is not cached; give a folder"):
        find_model("owner/name", cache=tmp_path)
    assert unreachable_hub.lines == []


def test_the_hubs_library_speaks_again_afterwards(unreachable_hub: Told) -> None:
    level = logging.getLogger("huggingface_hub").level
    with quiet_hub():
        logging.getLogger("huggingface_hub").warning("unheard")
    assert (unreachable_hub.lines, logging.getLogger("huggingface_hub").level) == ([], level)
