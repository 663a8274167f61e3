"""Open a trained reward model as a scorer, and keep it to conversations that it can read."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from transformers import PreTrainedModel

from steersman.backends.limits import LimitedScorer
from steersman.backends.reward_scorer import RewardScorer
from steersman.errors import PluginError
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.modeling.precision import default_device, fast_precision, placed
from steersman.pipeline.models import ModelFolder, open_model
from steersman.protocols import Scorer
from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS
from steersman.store.runs import CHECKPOINT_FOLDER


@dataclass(frozen=True, slots=True)
class OpenScorer:
    """A scorer, its output names and the model it runs on; `context_tokens` is what that model was made to read."""

    scorer: RewardScorer
    names: tuple[str, ...]
    model: ModelFolder
    context_tokens: int | None


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
    return OpenScorer(scorer, names, found, _context_tokens(network))


def limited(opened: OpenScorer, *, max_tokens: int | None = None) -> Scorer:
    """Return a scorer for conversations within the model's context, and of at most `max_tokens` tokens.

    It raises ConversationTooLongError for others.
    """
    limits = [each for each in (opened.context_tokens, max_tokens) if each is not None]
    return LimitedScorer(opened.scorer, max_tokens=min(limits)) if limits else opened.scorer


def _context_tokens(network: PreTrainedModel) -> int | None:
    length = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None
