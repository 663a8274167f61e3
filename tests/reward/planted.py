"""A rule planted in the responses of a tiny model that is strong enough to see it, for tests of reward training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.config.engine import EngineSettings
from steersman.config.reward import ObjectiveSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.fit import FitResult
from steersman.engine.objective import Reports, Schedule
from steersman.modeling.chat import group_tokens
from steersman.modeling.loading import load_backbone
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.rows import GroupRows
from steersman.records import Message
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import Kind, RewardSpec
from steersman.reward.terms import RatedGroup, Terms
from steersman.reward.train import RatedRows, start_head, train
from steersman.store.arrays import FolderArrayStore

NUM_TRAINING = 48
NUM_VALIDATION = 16
ATTRIBUTES = ("follows", "opposes")
CPU = torch.device("cpu")


def strong(folder: Path) -> PreTrainedModel:
    """Return the tiny model with stronger layers: as it is, its states hardly depend on what it reads."""
    made = load_backbone(folder, dtype=torch.float32, device=CPU)
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(6)
    return made


def planted(tokenizer: PreTrainedTokenizerBase) -> list[RatedGroup]:
    """Return groups in which the response that repeats the sign of the prompt is labelled (4, 0), the other (0, 4)."""
    rng = np.random.default_rng(1)
    groups = []
    for _ in range(NUM_TRAINING + NUM_VALIDATION):
        prompt, signs = rng.choice(["+", "-"]), rng.permutation(["+", "-"])
        tails = ["".join(row) for row in rng.choice(list("abcdefgh"), size=(2, 2))]
        responses = [sign + tail for sign, tail in zip(signs, tails, strict=True)]
        labels = torch.tensor([[4.0, 0.0] if sign == prompt else [0.0, 4.0] for sign in signs])
        strength = 3.0 if signs[0] == prompt else -3.0
        group = group_tokens(tokenizer, [Message("user", str(prompt))], responses)
        groups.append(RatedGroup(group, labels, strength=strength))
    return groups


def terms_of(*objectives: str, kind: Kind = "linear", ranked_by: str = "follows") -> Terms:
    """Return terms of weight one each, for a head of that kind over the two planted attributes."""
    weights = {} if kind == "gating" else {"follows": 1.0}
    asked = tuple(ObjectiveSettings.model_validate({"name": name}) for name in objectives)
    return Terms(asked, RewardSpec(kind, ATTRIBUTES, weights), ranked_by)


def trained(
    backbone: PreTrainedModel, rated: Sequence[RatedGroup], *, terms: Terms, folder: Path, epochs: int
) -> tuple[RewardModel, FitResult, list[dict[str, float]]]:
    """Train all weights on the first groups, from a probe; the others choose the step."""
    rows: list[dict[str, float]] = []
    data = data_of(rated, folder=folder)
    head = Head(backbone.config.hidden_size, spec=terms.spec, models_ties="preference-ordinal" in terms.names)
    model = RewardModel(backbone, head, spec=terms.spec).eval()
    settings = {"learning_rate": 3e-4, "epochs": epochs, "batch_pairs": 4, "warmup_steps": 10}
    optimiser, engine = OptimiserSettings.model_validate(settings), EngineSettings.model_validate({})
    with packed_attention(backbone):
        start_head(model, data, terms=terms, budget=2048, precision="float32")
        result = train(
            model,
            data,
            terms=terms,
            schedule=Schedule(optimiser, engine, 6, 0),
            reports=Reports(lambda metrics: rows.append(dict(metrics)), lambda _: None),
        )
    return model, result, rows


def data_of(rated: Sequence[RatedGroup], *, folder: Path) -> RatedRows:
    """Return the groups as rows, the first of them to train on."""
    rows = GroupRows([each.group for each in rated], [], FolderArrayStore(folder), CPU)
    return RatedRows(rows, rated[:NUM_TRAINING], rated[NUM_TRAINING:])
