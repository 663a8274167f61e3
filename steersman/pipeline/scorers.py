"""Open a trained reward model as a scorer, and keep it to conversations that it can read."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from steersman.backends.limits import LimitedScorer
from steersman.backends.reward_scorer import RewardScorer
from steersman.errors import PluginError
from steersman.modeling.loading import load_tokenizer
from steersman.modeling.precision import default_device, fast_precision
from steersman.pipeline.models import ModelFolder, open_model
from steersman.pipeline.reward_folder import load_reward_model
from steersman.protocols import Scorer
from steersman.records import ATTRIBUTES
from steersman.reward.spec import SPEC_KEY
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
    network = load_reward_model(found.folder, dtype=torch.float32, device=default_device())
    names = network.spec.attributes
    is_own = hasattr(network.backbone.config, SPEC_KEY)
    if not is_own and not set(names) & set(ATTRIBUTES):
        raise PluginError(f"{model}: its outputs {names} are none of {ATTRIBUTES}; this is not a reward model of ours")
    scorer = RewardScorer(network, tokenizer, precision=fast_precision(network.device))
    return OpenScorer(scorer, names, found, _context_tokens(network.backbone))


def limited(opened: OpenScorer, *, max_tokens: int | None = None) -> Scorer:
    """Return a scorer for conversations within the model's context, and of at most `max_tokens` tokens.

    It raises ConversationTooLongError for others.
    """
    limits = [each for each in (opened.context_tokens, max_tokens) if each is not None]
    return LimitedScorer(opened.scorer, max_tokens=min(limits)) if limits else opened.scorer


def _context_tokens(network: PreTrainedModel) -> int | None:
    length = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None
