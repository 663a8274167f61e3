"""The rivals: TRL's RewardTrainer, and a plain loop of transformers that pads like it (the control).

Both take the pairs in their order, tokenised already, and AdamW as TRL sets it: no decay, the norm cut at 1.
"""

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import cast

import torch
from reward_speed_records import MODEL_FOLDER, Measured, Row, Terms, conversations
from reward_speed_watch import Watch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from steersman.modeling.chat import Group
from steersman.modeling.loading import load_tokenizer, quiet_transformers
from steersman.modeling.rows import autocast

CLIP_NORM = 1.0


class _Steps(TrainerCallback):
    """Tells the watch of every step: TRL logs its loss once the step is over."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: dict[str, float]
    ) -> None:
        if "loss" in given["logs"]:
            self._watch.step_done(given["logs"]["loss"])


def trl(row: Row, groups: Sequence[Group], *, terms: Terms) -> Measured:
    """Train by TRL, by its own settings but for the rate, which is constant, and the order, which is that of all."""
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    chosen, rejected = zip(*map(conversations, groups), strict=True)
    dataset = Dataset.from_dict({"chosen_ids": chosen, "rejected_ids": rejected})
    with TemporaryDirectory() as folder, quiet_transformers():
        settings = RewardConfig(
            output_dir=folder,
            per_device_train_batch_size=row.pairs,
            gradient_accumulation_steps=terms.batch_pairs // row.pairs,
            gradient_checkpointing=row.checkpointing,
            bf16=row.precision == "bfloat16",
            max_steps=terms.all_steps,
            learning_rate=terms.learning_rate,
            lr_scheduler_type="constant",
            train_sampling_strategy="sequential",
            use_cpu=terms.device == "cpu",
            logging_steps=1,
            save_strategy="no",
            disable_tqdm=True,
        )
        watch = Watch(terms)
        trainer = RewardTrainer(
            model=str(terms.folder / MODEL_FOLDER),
            args=settings,
            train_dataset=dataset,
            processing_class=load_tokenizer(terms.folder / MODEL_FOLDER),
            callbacks=[_Steps(watch)],
        )
        trainer.train()
    return watch.measured(row, model=cast(nn.Module, trainer.model))


def plain(row: Row, groups: Sequence[Group], *, terms: Terms) -> Measured:
    """Train by a loop of our own over transformers' model, padded as TRL pads: what its trainer adds is left out."""
    watch = Watch(terms)
    model = _loaded(row, terms=terms)
    optimiser = torch.optim.AdamW(model.parameters(), lr=terms.learning_rate, weight_decay=0.0, fused=True)
    for first in range(0, len(groups), terms.batch_pairs):
        batch = groups[first : first + terms.batch_pairs]
        optimiser.zero_grad()
        loss_sum = 0.0
        for start in range(0, len(batch), row.pairs):
            micro_batch = batch[start : start + row.pairs]
            loss = _pair_loss(model, micro_batch, row=row) * (len(micro_batch) / len(batch))
            loss.backward()
            loss_sum += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimiser.step()
        watch.step_done(loss_sum)
    return watch.measured(row, model=model)


def _loaded(row: Row, *, terms: Terms) -> PreTrainedModel:
    with quiet_transformers():
        folder = terms.folder / MODEL_FOLDER
        found = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    model = cast(PreTrainedModel, found).train()
    if row.checkpointing:
        model.activation_checkpointing_enable()
    return cast(PreTrainedModel, nn.Module.to(model, terms.device))


def _pair_loss(model: PreTrainedModel, groups: Sequence[Group], *, row: Row) -> torch.Tensor:
    both = [[torch.tensor(each) for each in conversations(group)] for group in groups]
    rows = [chosen for chosen, _ in both] + [rejected for _, rejected in both]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.config.pad_token_id)
    lengths = torch.tensor([len(each) for each in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    with autocast(model.device, precision=row.precision):
        outputs = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False)
    chosen, rejected = outputs.logits.squeeze(-1).float().chunk(2)
    return -nn.functional.logsigmoid(chosen - rejected).mean()
