"""Open a trained reward model as a scorer, and keep it to conversations that it can read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from steersman.backends.limits import LimitedScorer, MeasuringScorer
from steersman.backends.ray_scorer import RayScorer
from steersman.backends.reward_scorer import RewardScorer, lengths
from steersman.backends.row_groups import check_pairs
from steersman.config.scoring import AskedPrecision
from steersman.errors import PluginError
from steersman.modeling.encoder import context_tokens
from steersman.modeling.loading import load_tokenizer, read_config
from steersman.modeling.precision import Precision, default_device, fast_precision
from steersman.pipeline.models import ModelFolder, open_model
from steersman.pipeline.reward_folder import load_reward_model, spec_of
from steersman.protocols import Scorer
from steersman.reward.spec import RewardSpec
from steersman.store.runs import CHECKPOINT_FOLDER


@dataclass(frozen=True, slots=True)
class OpenScorer:
    """A scorer, what it predicts and the model it runs on; `context_tokens` is what that model was made to read."""

    scorer: MeasuringScorer
    spec: RewardSpec
    model: ModelFolder
    context_tokens: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return self.spec.attributes

    def check_prompts(self, prompts: Sequence[str]) -> None:
        """Raise DataError unless rows with these prompts can be scored: pairs, where the model compares."""
        if self.spec.form == "comparison":
            check_pairs(prompts)


def open_scorer(model: str, *, precision: AskedPrecision = "auto") -> OpenScorer:
    """Return the reward model `model` (a run folder, a checkpoint, a hub or embedded name) ready to score.

    Matrix products run in `precision`; "auto" is bfloat16 where the device multiplies it in hardware. Raises
    PluginError when it is no reward model.
    """
    found = _open_model(model)
    spec, limit = _described(found.folder)
    return OpenScorer(_local(found.folder, precision=precision), spec, found, limit)


def open_ray_scorer(model: str, *, precision: AskedPrecision = "auto", num_actors: int | None = None) -> OpenScorer:
    """Return what `open_scorer` does, with the model in `num_actors` actors of a Ray cluster, None for what it can do.

    No weights are loaded here. Every machine of the cluster must find `model` under that name: a folder that all
    see, or a name that each can download. Raises PluginError where Ray is not installed.
    """
    found = _open_model(model)
    spec, limit = _described(found.folder)
    measure = partial(lengths, load_tokenizer(found.folder), spec=spec)
    make = partial(_scorer_of_actor, model, precision=precision)
    return OpenScorer(RayScorer(make, measure=measure, num_actors=num_actors), spec, found, limit)


def _scorer_of_actor(model: str, *, precision: AskedPrecision) -> Scorer:
    return _local(_open_model(model).folder, precision=precision)


def _open_model(model: str) -> ModelFolder:
    checkpoint = Path(model) / CHECKPOINT_FOLDER
    return open_model(str(checkpoint.absolute()) if checkpoint.is_dir() else model, role="reward model")


def _local(folder: Path, *, precision: AskedPrecision) -> RewardScorer:
    tokenizer = load_tokenizer(folder)
    network = load_reward_model(folder, dtype=torch.float32, device=default_device())
    chosen: Precision = fast_precision(network.device) if precision == "auto" else precision
    return RewardScorer(network, tokenizer, precision=chosen)


def _described(folder: Path) -> tuple[RewardSpec, int | None]:
    config = read_config(folder)
    spec = spec_of(config, folder=folder)
    if spec.kind != "gating" and not any(spec.weights.get(name) for name in spec.attributes):
        shown = ", ".join(spec.attributes[:5])
        raise PluginError(
            f"{folder}: its {len(spec.attributes)} outputs ({shown}) have no weights; say in its config.json what the"
            ' reward is made of, "reward_weights": {name: weight}, and in "id2label" how the outputs are called'
        )
    return spec, context_tokens(config)


def limited(opened: OpenScorer, *, max_tokens: int | None = None) -> Scorer:
    """Return a scorer for conversations within the model's context, and of at most `max_tokens` tokens.

    It raises ConversationTooLongError for others.
    """
    limits = [each for each in (opened.context_tokens, max_tokens) if each is not None]
    return LimitedScorer(opened.scorer, max_tokens=min(limits)) if limits else opened.scorer
