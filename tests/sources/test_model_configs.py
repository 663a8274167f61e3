"""The shape of a model is had without its weights: from a folder, from what is known, or from the hub's config.json."""

import json
from pathlib import Path

import pytest

from steersman.engine.model_shape import ModelShape
from steersman.errors import PluginError
from steersman.sources.model_configs import PublishedShape, find_model_config, published_shapes

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
