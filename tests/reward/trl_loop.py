"""TRL's RewardTrainer on pairs of tokens, for tests to compare with: the losses of its steps, the first gradients."""

from collections.abc import Sequence
from pathlib import Path

import torch
from plain_loop import conversations, loaded
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from steersman.config.sections import OptimiserSettings
from steersman.modeling.chat import Group
from steersman.modeling.loading import load_tokenizer


class Recorder(TrainerCallback):
    """Keeps the loss of every step and the gradients of the first, as they are applied."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.gradients: dict[str, torch.Tensor] = {}

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: dict[str, float]
    ) -> None:
        if "loss" in given["logs"]:
            self.losses.append(given["logs"]["loss"])

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: nn.Module
    ) -> None:
        if not self.gradients:
            named = given["model"].named_parameters()
            self.gradients = {name: each.grad.clone() for name, each in named if each.grad is not None}


def trl_training(folder: Path, pairs: Sequence[Group], *, out: Path, optimiser: OptimiserSettings) -> Recorder:
    """Train by TRL on the pairs in their order, two at a time, and return what was seen."""
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    both = conversations(pairs)
    settings = RewardConfig(
        output_dir=str(out),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=optimiser.batch_pairs // 2,
        max_steps=len(pairs) // optimiser.batch_pairs,
        learning_rate=optimiser.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=optimiser.weight_decay,
        max_grad_norm=optimiser.clip_norm,
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
        train_dataset=Dataset.from_dict({"chosen_ids": both[0::2], "rejected_ids": both[1::2]}),
        processing_class=load_tokenizer(folder),
        callbacks=[recorder],
    )
    trainer.train()
    return recorder
