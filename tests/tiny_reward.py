"""A reward model of two layers, in a transformers folder that says no more than the names of its outputs."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

NAMES = {0: "helpfulness", 1: "correctness"}


def write_tiny_reward_model(folder: Path, *, tiny_model: Path) -> None:
    """Write the tiny model with a random head of two attributes to `folder`."""
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, id2label=NAMES, dtype=torch.float32)
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(0))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
