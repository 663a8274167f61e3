"""Reward models that others trained are scored by what their folder says, and refused where it says too little."""

import json
from pathlib import Path

import pytest
import torch
from tiny_encoders import byte_tokenizer, write_encoder
from tiny_loop import object_of, rows_of
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from steersman.config.scoring import ScoreSettings
from steersman.errors import PluginError
from steersman.modeling.loading import load_tokenizer, quiet_transformers
from steersman.pipeline import score
from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS
from steersman.store.files import write_jsonl

ROWS = [
    {"prompt": "one?", "response": "first"},
    {"prompt": "one?", "response": "second, longer"},
    {"prompt": "two?", "response": ""},
]


def write_foreign(folder: Path, base: Path, *, labels: list[str] | int, **entries: object) -> Path:
    """Write what a trainer of others would: a classification model with a random head, and nothing of ours."""
    names = {"num_labels": labels} if isinstance(labels, int) else {"id2label": dict(enumerate(labels))}
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(base, dtype=torch.float32, **names)
        for name, weights in model.named_parameters():
            if name.startswith(("score", "classifier")):
                torch.nn.init.normal_(weights)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    config = object_of(folder / "config.json") | entries
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def scored(model: Path, *, folder: Path) -> list[dict[str, object]]:
    write_jsonl(folder / "rows.jsonl", ROWS)
    settings = ScoreSettings.model_validate({"precision": "float32"})
    score.run(str(model), folder / "rows.jsonl", out=folder / "scores.jsonl", settings=settings)
    return rows_of(folder / "scores.jsonl")


def logits(model: Path) -> list[list[float]]:
    """Return what transformers gives for the conversations, one at a time."""
    tokenizer = load_tokenizer(model)
    plain = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32)
    found = []
    for row in ROWS:
        turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}]
        ids = torch.tensor([tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)])
        with torch.inference_mode():
            found.append(plain(input_ids=ids).logits[0].tolist())
    return found


@pytest.mark.parametrize(("labels", "name"), [(1, "reward"), (["quality"], "quality")])
def test_the_only_output_is_the_reward(
    tiny_model_folder: Path, tmp_path: Path, labels: list[str] | int, name: str
) -> None:
    model = write_foreign(tmp_path / "model", tiny_model_folder, labels=labels)
    found, expected = scored(model, folder=tmp_path), [row[0] for row in logits(model)]
    assert list(found[0]) == list(dict.fromkeys(["row", name, "reward"]))
    assert [row["reward"] for row in found] == pytest.approx(expected, abs=1e-5)
    assert [row[name] for row in found] == [row["reward"] for row in found]


def test_the_only_output_of_an_encoder_has_its_bias(tmp_path: Path) -> None:
    base = write_encoder(tmp_path / "base", name="bert")
    byte_tokenizer().save_pretrained(base)
    model = write_foreign(tmp_path / "model", base, labels=1)
    found, expected = scored(model, folder=tmp_path), [row[0] for row in logits(model)]
    assert [row["reward"] for row in found] == pytest.approx(expected, abs=1e-5)


def test_outputs_with_the_names_of_helpsteer2_are_weighed_by_its_goodness(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    names = ["quality", *ATTRIBUTES]
    found = scored(write_foreign(tmp_path / "model", tiny_model_folder, labels=names), folder=tmp_path)
    assert list(found[0]) == ["row", *names, "reward"]
    for row in found:
        expected = sum(weight * float(str(row[name])) for name, weight in GOODNESS_WEIGHTS.items())
        assert row["reward"] == pytest.approx(expected, rel=1e-5)


def test_stated_weights_count(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = write_foreign(tmp_path / "model", tiny_model_folder, labels=["a", "b"], reward_weights={"b": -2.0})
    for row in scored(model, folder=tmp_path):
        assert row["reward"] == pytest.approx(-2 * float(str(row["b"])), rel=1e-6)


def test_several_outputs_without_weights_are_no_reward(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = write_foreign(tmp_path / "model", tiny_model_folder, labels=3)
    with pytest.raises(PluginError, match=r"its 3 outputs \(LABEL_0, LABEL_1, LABEL_2\) have no weights; say in its"):
        scored(model, folder=tmp_path)


@pytest.mark.parametrize("name", ["row", "response_id", "preferred"])
def test_an_output_called_like_another_column_is_refused(tiny_model_folder: Path, tmp_path: Path, name: str) -> None:
    model = write_foreign(tmp_path / "model", tiny_model_folder, labels=[name])
    with pytest.raises(PluginError, match=f"its output '{name}' is called like another column"):
        scored(model, folder=tmp_path)
