"""Bradley-Terry training equals TRL's RewardTrainer: losses of five steps, and every gradient of one batch.

Both are held against a plain loop of transformers and AdamW too, so that an agreement says which side moved when it
breaks. TRL is a test oracle and a benchmark's rival; nothing of Steersman imports it.
"""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from plain_loop import Conversation, bradley_terry, plain_gradients, plain_losses
from torch.testing import assert_close
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.records import Message

NUM_STEPS = 5
BATCH_PAIRS = 4
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.1
CLIP_NORM = 1.0


@pytest.fixture(scope="module")
def classifier_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny model with stronger layers and a drawn head: its scores depend on what it reads."""
    model = load_classifier(tiny_model_folder, num_outputs=1, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(6)
        cast(torch.nn.Linear, model.score).weight.normal_(0.0, 0.5, generator=generator)
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    load_tokenizer(tiny_model_folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tiny_model_folder: Path) -> list[Group]:
    """Return twenty pairs of very different lengths, the chosen response first."""
    tokenizer = load_tokenizer(tiny_model_folder)
    rng = np.random.default_rng(3)

    def text(longest: int) -> str:
        return "".join(rng.choice(list("abcdefgh \n"), size=rng.integers(1, longest)))

    return [
        group_tokens(tokenizer, [Message("user", text(30))], [text(60), text(60)])
        for _ in range(NUM_STEPS * BATCH_PAIRS)
    ]


def loaded(folder: Path) -> PreTrainedModel:
    return cast(PreTrainedModel, AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))


def conversations(groups: list[Group]) -> list[Conversation]:
    """Return each pair's two conversations whole, chosen before rejected."""
    return [(*group.prefix, *response.ids) for group in groups for response in group.responses]


class Recorder(TrainerCallback):
    """Keeps the loss of every step and the gradients of the first, before they are clipped or applied."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.gradients: dict[str, torch.Tensor] = {}

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: dict[str, float]
    ) -> None:
        logs = given["logs"]
        if "loss" in logs:
            self.losses.append(logs["loss"])

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: PreTrainedModel
    ) -> None:
        if not self.gradients:
            named = given["model"].named_parameters()
            self.gradients = {name: each.grad.clone() for name, each in named if each.grad is not None}


def trl_training(folder: Path, groups: list[Group], *, out: Path, clip_norm: float, steps: int) -> Recorder:
    """Train by TRL on the pairs in their order, two at a time, and return what was seen."""
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    both = [[list(each) for each in conversations([group])] for group in groups]
    settings = RewardConfig(
        output_dir=str(out),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=BATCH_PAIRS // 2,
        max_steps=steps,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=WEIGHT_DECAY,
        max_grad_norm=clip_norm,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
    )
    recorder = Recorder()
    trainer = RewardTrainer(
        model=loaded(folder),
        args=settings,
        train_dataset=Dataset.from_dict(
            {"chosen_ids": [chosen for chosen, _ in both], "rejected_ids": [rejected for _, rejected in both]}
        ),
        processing_class=load_tokenizer(folder),
        callbacks=[recorder],
    )
    trainer.train()
    return recorder


def test_the_plain_loop_has_trls_losses(classifier_folder: Path, pairs: list[Group], tmp_path: Path) -> None:
    seen = trl_training(classifier_folder, pairs, out=tmp_path, clip_norm=CLIP_NORM, steps=NUM_STEPS)
    batches = [pairs[first : first + BATCH_PAIRS] for first in range(0, len(pairs), BATCH_PAIRS)]
    plain = plain_losses(
        loaded(classifier_folder),
        [(conversations(batch), bradley_terry) for batch in batches],
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        clip_norm=CLIP_NORM,
    )
    assert len(seen.losses) == NUM_STEPS
    assert_close(torch.tensor(seen.losses), torch.tensor(plain), atol=1e-4, rtol=0)


def test_the_plain_loop_has_trls_gradients(classifier_folder: Path, pairs: list[Group], tmp_path: Path) -> None:
    batch = pairs[:BATCH_PAIRS]
    seen = trl_training(classifier_folder, batch, out=tmp_path, clip_norm=0.0, steps=1)
    plain = plain_gradients(loaded(classifier_folder), conversations(batch), loss_of=bradley_terry)
    assert_close(seen.gradients, plain, atol=1e-5, rtol=1e-5)
