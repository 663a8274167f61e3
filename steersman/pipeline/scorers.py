"""Open a trained reward model as a scorer."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from steersman.backends.reward_scorer import RewardScorer
from steersman.errors import PluginError
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.modeling.precision import default_device, fast_precision, placed
from steersman.pipeline.models import ModelFolder, open_model
from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS
from steersman.store.runs import CHECKPOINT_FOLDER


@dataclass(frozen=True, slots=True)
class OpenScorer:
    """A scorer, its output names and the model it runs on."""

    scorer: RewardScorer
    names: tuple[str, ...]
    model: ModelFolder


def open_scorer(model: str) -> OpenScorer:
    """Return the reward model `model` (a run folder, a checkpoint, a hub or embedded name) ready to score.

    Raises PluginError when it is no regression reward model.
    """
    checkpoint = Path(model) / CHECKPOINT_FOLDER
    found = open_model(str(checkpoint) if checkpoint.is_dir() else model, role="reward model")
    tokenizer = load_tokenizer(found.folder)
    network = placed(load_classifier(found.folder, num_outputs=None, dtype=torch.float32), default_device())
    labels = cast("dict[int, str]", network.config.id2label or {})
    names = tuple(labels[index] for index in sorted(labels))
    if not set(names) & set(ATTRIBUTES):
        raise PluginError(f"{model}: its outputs {names} are none of {ATTRIBUTES}; this is not a reward model of ours")
    weights = getattr(network.config, "reward_weights", None) or GOODNESS_WEIGHTS
    precision = fast_precision(network.device)
    scorer = RewardScorer(network, tokenizer, names=names, weights=weights, precision=precision)
    return OpenScorer(scorer, names, found)
