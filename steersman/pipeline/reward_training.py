"""Train one reward model on groups in memory: by the loop, or by a solver where nothing but the head moves."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from steersman.config.reward import RewardSettings
from steersman.engine.fit import FitResult
from steersman.engine.objective import Reports, Schedule
from steersman.engine.processes import is_first, num_processes, of_all, rank
from steersman.engine.sharding import laid_out
from steersman.errors import ConfigError
from steersman.modeling.chat import Group
from steersman.modeling.compiling import compiled_kernels
from steersman.modeling.encoder import check_lengths, is_encoder
from steersman.modeling.kernels import PLAIN
from steersman.modeling.layers import layers_of
from steersman.modeling.loading import load_backbone
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.precision import Precision, default_device, fast_precision, placed
from steersman.modeling.support import check_packing
from steersman.modeling.tuning import merged, truncated
from steersman.pipeline.models import ModelFolder, model_sha256
from steersman.pipeline.reward_folder import load_reward_model
from steersman.pipeline.training import prepare
from steersman.protocols import Progress
from steersman.reward.features import FeatureSpace, cache_features, read_features
from steersman.reward.heads import Head, Outputs
from steersman.reward.model import RewardModel, check_readable
from steersman.reward.probe import Probe, fit_probe
from steersman.reward.probe_data import probe_data
from steersman.reward.spec import RewardSpec
from steersman.reward.terms import RatedGroup, Terms
from steersman.reward.train import RatedRows, predictions, start_head, train, validation_metrics
from steersman.store.arrays import FolderArrayStore
from steersman.store.cache import cache_folder


@dataclass(frozen=True, slots=True)
class RewardJob:
    """What to train: `base` is the model it starts from, `terms` are what it is trained to do.

    `resume` is where it keeps the checkpoints that it goes on from, see `Schedule`.
    """

    base: ModelFolder
    reward: RewardSettings
    terms: Terms
    seed: int
    resume: Path | None = None

    @property
    def spec(self) -> RewardSpec:
        """What the model will predict."""
        return self.terms.spec

    @property
    def precision(self) -> Precision:
        """The number format of matrix products."""
        asked = self.reward.engine.precision
        return fast_precision(default_device()) if asked == "auto" else asked

    def backbone(self, dtype: torch.dtype) -> PreTrainedModel:
        """Return the model below the head, with the layers that are asked for."""
        if self.reward.keep_head:
            return self.kept(dtype).backbone
        model = load_backbone(self.base.folder, dtype=dtype, device=torch.device("cpu"))
        check_readable(model, spec=self.spec)
        layers = self.reward.backbone_layers
        return model if layers is None else truncated(model, layers=layers)

    def kept(self, dtype: torch.dtype) -> RewardModel:
        """Return the reward model that training goes on from; raises ConfigError when it predicts something else."""
        model = load_reward_model(self.base.folder, dtype=dtype, device=torch.device("cpu"))
        for key in ("kind", "attributes", "pooling", "form", "has_bias"):
            found, wanted = getattr(model.spec, key), getattr(self.spec, key)
            if found != wanted:
                name = {"kind": "head", "has_bias": "bias"}.get(key, key)
                raise ConfigError(
                    f"reward.keep_head: {self.base.name} has {name} {found}, but reward.{name} is {wanted}"
                )
        return model


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to: `open_model` gives the model, `outputs` are for the validation groups, in order.

    `probe` is the head that was fitted to the frozen model: the start, or all there is.
    """

    open_model: Callable[[], RewardModel]
    fitted: FitResult
    outputs: Outputs
    probe: Probe | None


def train_model(
    job: RewardJob,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    reports: Reports,
    progress: Progress,
) -> Trained:
    """Return what comes of `job`: of its loop, or of a solver where the model is frozen."""
    train = train_frozen if job.reward.tune.mode == "frozen" else train_by_loop
    return train(job, training, validation, reports=reports, progress=progress)


def train_by_loop(
    job: RewardJob,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    reports: Reports,
    progress: Progress,
) -> Trained:
    """Return the model after the steps of `reward.optimiser`, with the weights of the lowest validation loss."""
    reward = job.reward
    torch.manual_seed(job.seed)  # for the adapters' first weights
    groups = _groups(training, validation)
    prepared = prepare(job.backbone, groups, base=job.base, tune=reward.tune, engine=reward.engine, progress=progress)
    head = _new_head(job, hidden_size=prepared.model.config.hidden_size).to(prepared.model.device)
    model = RewardModel(prepared.model, head, spec=job.spec, num_lower=prepared.num_lower).eval()
    data = RatedRows(prepared.rows, training, validation)
    # an encoder is split as one unit
    layers = () if is_encoder(prepared.model.config) else tuple(layers_of(prepared.model))
    gather = laid_out(model, layers=layers, within=prepared.trained, strategy=reward.engine.strategy)
    budget, precision = reward.engine.micro_batch_tokens, prepared.precision
    probe = None
    kernels = compiled_kernels(prepared.model.device) if reward.engine.compile else PLAIN
    with packed_attention(prepared.model, kernels=kernels):
        if reward.head_start == "probe" and not reward.keep_head:
            probe = start_head(model, data, terms=job.terms, budget=budget, precision=precision)
        fitted = train(model, data, terms=job.terms, schedule=_schedule(job), reports=reports)
        numbers = range(len(training), len(groups))
        outputs = predictions(model, prepared.rows, numbers, budget=budget, precision=precision)
    whole, trained = gather()
    return Trained(lambda: RewardModel(merged(trained), whole.head, spec=job.spec).eval(), fitted, outputs, probe)


def _new_head(job: RewardJob, *, hidden_size: int) -> Head:
    models_ties = "preference-ordinal" in job.terms.names
    head = Head(hidden_size, spec=job.spec, models_ties=models_ties)
    if job.reward.keep_head:
        # not strict: only one of the two may model ties
        head.load_state_dict(job.kept(torch.float32).head.state_dict(), strict=False)
    return head


def _schedule(job: RewardJob) -> Schedule:
    reward = job.reward
    if reward.optimiser is None or reward.evaluate_every is None:
        raise AssertionError("settings of a loop without its optimiser")
    return Schedule(reward.optimiser, reward.engine, reward.evaluate_every, job.seed, job.precision, job.resume)


def train_frozen(
    job: RewardJob,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    reports: Reports,
    progress: Progress,
) -> Trained:
    """Return the model as it is with a head fitted to the training groups, by features that are cached.

    Nothing is chosen by the validation groups.
    """
    began = time.monotonic()
    groups = _groups(training, validation)
    space, store = _space(job), FolderArrayStore(cache_folder() / "activations")
    num_tokens = sum(group.num_tokens for group in groups)
    load, row_tokens = partial(_checked_backbone, job, groups), job.reward.engine.micro_batch_tokens
    mine = groups[rank() :: num_processes()]
    with progress("features", sum(group.num_tokens for group in mine), "token") as advance:
        cache_features(load, mine, space=space, store=store, row_tokens=row_tokens, advance=advance)
        if len(of_all(None)) > 1:
            # what the others computed is there, unless they are on a machine with another cache folder
            cache_features(load, groups, space=space, store=store, row_tokens=row_tokens, advance=lambda _: None)
    states = read_features(_groups(training), space=space, store=store)
    probe = fit_probe(probe_data(training, *states), terms=job.terms)
    with torch.inference_mode():
        outputs: Outputs = probe.head(*read_features(_groups(validation), space=space, store=store))
    metrics = validation_metrics(outputs, validation, terms=job.terms)
    if is_first():
        reports.on_metrics({"step": probe.iterations, **metrics})
    reports.advance(sum(each.group.num_tokens for each in training))
    fitted = FitResult(probe.iterations, time.monotonic() - began, num_tokens, probe.iterations, metrics)
    return Trained(partial(_frozen_model, job, probe.head), fitted, outputs, probe)


def _space(job: RewardJob) -> FeatureSpace:
    reward = job.reward
    return FeatureSpace(model_sha256(job.base.folder), reward.backbone_layers, reward.pooling, job.precision)


def _checked_backbone(job: RewardJob, groups: Sequence[Group]) -> PreTrainedModel:
    model = placed(job.backbone(torch.float32), default_device())
    check_packing(model, min(groups, key=lambda group: group.num_tokens))
    check_lengths(model, [group.longest for group in groups])
    return model


def _frozen_model(job: RewardJob, head: Head) -> RewardModel:
    device = default_device()
    return RewardModel(placed(job.backbone(torch.float32), device), head.to(device), spec=job.spec).eval()


def _groups(*parts: Sequence[RatedGroup]) -> list[Group]:
    return [each.group for part in parts for each in part]
