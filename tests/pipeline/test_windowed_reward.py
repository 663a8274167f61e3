"""Reward models on a backbone with sliding windows: trained, saved, and scored to the last bit as before."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from reward_models import CPU, reward_model
from tiny_windowed import WINDOW, write_windowed
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from steersman.backends.reward_scorer import RewardScorer
from steersman.config.run import TrainRewardSettings
from steersman.modeling.loading import load_tokenizer
from steersman.modeling.tuning import truncated
from steersman.pipeline import train_reward
from steersman.pipeline.reward_folder import load_reward_model, save_reward_model
from steersman.records import ATTRIBUTES
from steersman.reward.model import RewardModel
from steersman.store.files import write_jsonl

pytest_plugins = ("loop_fixtures",)

# conversations of several windows, since a token is a byte
PROMPTS = ["What is bread, and of what is it made?"] * 2 + ["Why?"]
RESPONSES = ["Flour, water and salt, baked in an oven.", "Nothing.", "Because it is so, as everybody knows."]


@pytest.fixture
def gemma(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return write_windowed(tmp_path / "gemma", name="gemma3", tokenizer_of=tiny_model_folder)


def outputs(
    model: RewardModel, tokenizer: PreTrainedTokenizerBase
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    scorer = RewardScorer(model, tokenizer, precision="float32")
    return scorer.score(PROMPTS, RESPONSES, advance=lambda _: None).outputs


def test_a_saved_model_with_windows_scores_to_the_last_bit_as_before(gemma: Path, tmp_path: Path) -> None:
    model, tokenizer = reward_model(gemma), load_tokenizer(gemma)
    save_reward_model(tmp_path / "saved", model, tokenizer)
    again = load_reward_model(tmp_path / "saved", dtype=torch.float32, device=CPU)
    assert outputs(again, tokenizer).tobytes() == outputs(model, tokenizer).tobytes()


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_transformers_alone_gives_the_scores_of_a_model_with_windows(gemma: Path, tmp_path: Path, layers: int) -> None:
    model, tokenizer = reward_model(gemma), load_tokenizer(gemma)
    truncated(model.backbone, layers=layers)
    save_reward_model(tmp_path / "saved", model, tokenizer)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    found = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        with torch.inference_mode():
            found.append(plain(**tokenizer(text, return_tensors="pt")).logits)
    assert torch.cat(found).numpy() == pytest.approx(outputs(model, tokenizer), abs=1e-4)


@pytest.mark.usefixtures("own_cache")
def test_upper_layers_with_windows_learn_which_answer_is_better(gemma: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"question {task}?", "response": text, **dict.fromkeys(ATTRIBUTES, level)}
        for task in range(12)
        for text, level in (("yes, and yes once more", 4), ("no, and never more", 0))
    ]
    data = {"train": str(tmp_path / "train.jsonl"), "validation": str(tmp_path / "validation.jsonl")}
    write_jsonl(tmp_path / "train.jsonl", rows[:16])
    write_jsonl(tmp_path / "validation.jsonl", rows[16:])
    reward = {
        "model": str(gemma),
        "attributes": ["helpfulness"],
        "weights": {"helpfulness": 1.0},
        "max_tokens": 512,
        "tune": {"mode": "upper", "layers": 2},
        "evaluate_every": 2,
        "optimiser": {"learning_rate": 0.01, "epochs": 3, "batch_pairs": 4, "warmup_steps": 0},
    }
    settings = TrainRewardSettings.model_validate({"seed": 1, "data": data, "reward": reward})
    result = train_reward.run(settings, out=tmp_path / "run")
    assert cast("dict[str, dict[str, dict[str, float]]]", result)["reward"]["accuracy"]["estimate"] == 1.0
    model = load_reward_model(tmp_path / "run" / "checkpoint", dtype=torch.float32, device=CPU)
    assert model.backbone.config.sliding_window == WINDOW
