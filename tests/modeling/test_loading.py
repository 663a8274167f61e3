"""A model folder is loaded, or refused with a line that names it and what is missing."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, LlamaConfig

from steersman.errors import PluginError
from steersman.modeling.gguf import convert_gguf
from steersman.modeling.loading import (
    load_classifier,
    load_policy,
    load_tokenizer,
    quiet_transformers,
    write_tiny_model,
)
from steersman.sources.models import find_model
from steersman.store.files import sha256_file

CPU = torch.device("cpu")


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny model that a test may spoil."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


def policy(folder: Path) -> object:
    return load_policy(folder, dtype=torch.float32, device=CPU)


def classifier(folder: Path) -> object:
    return load_classifier(folder, num_outputs=2, dtype=torch.float32)


def saved_classifier(folder: Path) -> object:
    return load_classifier(folder, num_outputs=None, dtype=torch.float32)


LOADERS = [load_tokenizer, policy, classifier]


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str, complaint: str, load: Callable[[Path], object]) -> None:
    (folder / name).unlink()
    with pytest.raises(PluginError, match=f"{folder}: .*{complaint}"):
        load(folder)


@pytest.mark.parametrize("load", LOADERS)
def test_a_missing_folder_is_named(tmp_path: Path, load: Callable[[Path], object]) -> None:
    with pytest.raises(PluginError, match="nowhere: no such model folder"):
        load(tmp_path / "nowhere")


def test_a_tokenizer_without_a_chat_template_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PluginError, match=f"{folder}: the tokenizer has no chat template"):
        load_tokenizer(folder)


def test_a_tokenizer_without_an_end_of_turn_is_refused(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(PluginError, match=f"{folder}: the tokenizer has no eos_token"):
        load_tokenizer(folder)


@pytest.mark.parametrize("load", [policy, classifier])
def test_cut_weights_are_refused(folder: Path, load: Callable[[Path], object]) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PluginError, match=f"{folder}: cannot be loaded"):
        load(folder)


def test_a_spoilt_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PluginError, match=f"{folder}: its tokenizer cannot be loaded"):
        load_tokenizer(folder)


@pytest.mark.parametrize("load", [policy, classifier])
def test_weights_that_lack_a_layer_are_refused(folder: Path, load: Callable[[Path], object]) -> None:
    config = LlamaConfig.from_pretrained(folder)
    config.num_hidden_layers = 3
    config.save_pretrained(folder)
    with pytest.raises(PluginError, match=f"{folder}: .*layers.2"):
        load(folder)


def test_a_policy_has_no_saved_reward_head(folder: Path) -> None:
    with pytest.raises(PluginError, match=f"{folder}: .*score.weight"):
        saved_classifier(folder)


def test_a_new_head_has_its_outputs_and_starts_at_zero(tiny_model_folder: Path) -> None:
    head = load_classifier(tiny_model_folder, num_outputs=5, dtype=torch.float32).get_submodule("score")
    assert_close(head.get_parameter("weight").detach(), torch.zeros(5, 32))


def test_a_saved_head_is_kept(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = load_classifier(tiny_model_folder, num_outputs=3, dtype=torch.float32)
    torch.nn.init.uniform_(model.get_parameter("score.weight"))
    model.save_pretrained(tmp_path)
    load_tokenizer(tiny_model_folder).save_pretrained(tmp_path)
    again = load_classifier(tmp_path, num_outputs=None, dtype=torch.float32)
    assert_close(again.get_parameter("score.weight"), model.get_parameter("score.weight"))


def test_loaded_models_are_in_evaluation_mode_and_in_the_asked_format(tiny_model_folder: Path) -> None:
    model = load_policy(tiny_model_folder, dtype=torch.bfloat16, device=CPU)
    assert (model.training, model.dtype) == (False, torch.bfloat16)
    assert not load_classifier(tiny_model_folder, num_outputs=1, dtype=torch.float32).training


def test_the_same_seed_writes_the_same_model_and_another_does_not(tiny_model_folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_tiny_model(tmp_path / str(seed), seed=seed)
    hashes = [sha256_file(each / "model.safetensors") for each in (tiny_model_folder, tmp_path / "0", tmp_path / "1")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_writing_a_tiny_model_leaves_the_global_chance_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    write_tiny_model(tmp_path, seed=0)
    assert bool((torch.random.get_rng_state() == before).all())


@given(text=st.text().filter(lambda text: "<|" not in text))
def test_any_text_survives_the_byte_tokenizer(tiny_model_folder: Path, text: str) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert len(ids) == len(text.encode())


def test_the_end_of_turn_is_one_token(tiny_model_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_model_folder)
    assert tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"] == [tokenizer.eos_token_id]


def test_transformers_speaks_again_after_being_quiet() -> None:
    logger = logging.getLogger("transformers")
    before = (logger.level, logger.propagate)
    with quiet_transformers():
        assert logger.level == logging.ERROR
    assert (logger.level, logger.propagate) == before


@pytest.mark.models
@pytest.mark.slow
def test_a_converted_gguf_model_has_the_logits_of_the_file(tmp_path: Path) -> None:
    try:
        gguf = find_model("smollm2-135m-instruct", cache=tmp_path).gguf
    except PluginError as error:
        pytest.skip(str(error))
    assert gguf is not None
    convert_gguf(gguf, out=tmp_path / "converted")
    ids = load_tokenizer(tmp_path / "converted")("The capital of France is", return_tensors="pt")["input_ids"]
    with quiet_transformers(), torch.no_grad():
        original = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        expected = original(input_ids=ids).logits.log_softmax(dim=-1)
        converted = load_policy(tmp_path / "converted", dtype=torch.float32, device=CPU)
        found = converted(input_ids=ids).logits.log_softmax(dim=-1)
    assert found.argmax(dim=-1).tolist() == expected.argmax(dim=-1).tolist()
    # weights rounded to bfloat16 are off by up to 0.2 per cent each
    divergence = (expected.exp() * (expected - found)).sum(dim=-1)
    assert divergence.max() < 0.01
