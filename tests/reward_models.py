"""Small reward models whose states matter: the tiny model with larger weights, under a random head."""

from pathlib import Path

import torch

from steersman.modeling.loading import load_backbone, load_tokenizer
from steersman.pipeline.reward_folder import save_reward_model
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec

CPU = torch.device("cpu")
SPEC = RewardSpec("linear", ("helpfulness", "correctness", "coherence"), {"helpfulness": 0.65, "coherence": 0.45})


def reward_model(base: Path, *, spec: RewardSpec = SPEC, models_ties: bool = False) -> RewardModel:
    """Return the model in `base` under a random head, the same every time.

    The weights of its layers are five times what they were: at random they are so small that a state is hardly more
    than the embedding of its own token, and a model that mixed up its rows would go unnoticed.
    """
    backbone = load_backbone(base, dtype=torch.float32, device=CPU)
    head = Head(backbone.config.hidden_size, spec=spec, models_ties=models_ties)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in backbone.parameters():
            if weights.ndim == 2:
                weights.mul_(5)
        for weights in head.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) / weights.shape[-1] ** 0.5)
    return RewardModel(backbone, head, spec=spec).eval()


def saved_reward_model(base: Path, folder: Path, *, spec: RewardSpec = SPEC, models_ties: bool = False) -> RewardModel:
    """Write such a model to `folder`, and return it."""
    model = reward_model(base, spec=spec, models_ties=models_ties)
    save_reward_model(folder, model, load_tokenizer(base))
    return model
