"""`steersman train reward`: rated responses in, a reward model folder out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import torch
from transformers import PreTrainedTokenizerBase

from steersman.backends.reward_scorer import RewardScorer
from steersman.config.reward import RewardSettings
from steersman.config.run import TrainRewardSettings
from steersman.engine.fit import FitResult, Reports, Schedule
from steersman.errors import ConfigError, DataError
from steersman.evaluate.pairwise import pairwise_accuracy
from steersman.modeling.loading import load_backbone, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.precision import default_device, fast_precision
from steersman.modeling.tuning import merged
from steersman.pipeline.examples import RatedPairs, read_pairs
from steersman.pipeline.lineages import inherited
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.reward_folder import save_reward_model
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.pipeline.tracking import logged_metrics
from steersman.pipeline.training import TokenGroups, prepare, tokenise
from steersman.protocols import Progress, no_progress
from steersman.records import ATTRIBUTES
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec
from steersman.reward.train import RatedGroup, train
from steersman.store.files import write_json
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER

BOOTSTRAP_ROUNDS = 2000


@dataclass(frozen=True, slots=True)
class _Rows:
    pairs: RatedPairs
    tokens: TokenGroups

    def rated_groups(self, attributes: tuple[str, ...]) -> list[RatedGroup]:
        rows = self.pairs.rows_of(self.tokens.numbers).select(attributes).cast(pl.Float32)
        labels = torch.from_numpy(rows.to_numpy(writable=True)).view(len(self.tokens.groups), 2, len(attributes))
        return [RatedGroup(group, labels[index]) for index, group in enumerate(self.tokens.groups)]


def run(settings: TrainRewardSettings, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Train a reward model into the run folder `out` and return the contract of `train ... --json`.

    `out/checkpoint` is a transformers folder for `AutoModelForSequenceClassification`. A finished run of the same
    settings and data is not repeated.
    """
    return {"run": str(out), **run_outcome(settings, out=out, progress=progress).result}


def run_outcome(settings: TrainRewardSettings, *, out: Path, progress: Progress) -> Outcome:
    """Do as `run`, and also say how long it took and whether it was there already."""
    unknown = sorted(set(settings.reward.attributes) - set(ATTRIBUTES))
    if unknown:
        raise ConfigError(f"reward.attributes: {unknown} are no columns of the examples table; known: {ATTRIBUTES}")
    inputs = {name: _existing(Path(path)) for name, path in settings.data.model_dump().items()}
    inputs |= local_models({"model": settings.reward.model})
    stage = Stage("reward", out, settings, settings.seed, inputs, places=("data", "estimate"))
    return run_stage(stage, lambda folder: _make(folder, settings=settings, progress=progress))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the paths under 'data' of the config")
    return path


def _make(folder: Path, *, settings: TrainRewardSettings, progress: Progress) -> Product:
    reward = settings.reward
    base = open_model(reward.model, role="base model of the reward model")
    tokenizer = load_tokenizer(base.folder)
    training = _read(Path(settings.data.train), tokenizer=tokenizer, reward=reward)
    validation = _read(Path(settings.data.validation), tokenizer=tokenizer, reward=reward)
    model, fitted = _fit(folder, training, validation, base=base, settings=settings, progress=progress)
    save_reward_model(folder / CHECKPOINT_FOLDER, model, tokenizer)
    metrics = _final_metrics(model, tokenizer, validation, settings=settings, progress=progress)
    constant = _constant_error(training, validation, attributes=reward.attributes)
    result = {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 3),
        "tokens": fitted.tokens,
        "best_step": fitted.best_step,
        "metrics": {f"reward/validation_{name}": value for name, value in fitted.best.items()},
        "accuracy": metrics,
        "constant_predictor_mse": constant,
        "train_pairs": len(training.tokens.groups),
        "validation_pairs": len(validation.tokens.groups),
        "dropped_long": training.tokens.num_too_long + validation.tokens.num_too_long,
    }
    write_json(folder / "result.json", result)
    data = inherited([Path(settings.data.train), Path(settings.data.validation)], role="ratings")
    ancestors = merge_ancestors([base.ancestors, data.ancestors])
    return Product(result, ancestors, simulated=data.simulated or base.is_simulated)


def _read(path: Path, *, tokenizer: PreTrainedTokenizerBase, reward: RewardSettings) -> _Rows:
    pairs = read_pairs(path)
    tokens = tokenise(tokenizer, pairs.prompts, pairs.responses, max_tokens=reward.max_tokens, source=str(path))
    return _Rows(pairs, tokens)


def _fit(
    folder: Path,
    training: _Rows,
    validation: _Rows,
    *,
    base: ModelFolder,
    settings: TrainRewardSettings,
    progress: Progress,
) -> tuple[RewardModel, FitResult]:
    reward = settings.reward
    torch.manual_seed(settings.seed)  # for the adapters' first weights
    prepared = prepare(
        lambda dtype: load_backbone(base.folder, dtype=dtype, device=default_device()),
        [*training.tokens.groups, *validation.tokens.groups],
        base=base,
        tune=reward.tune,
        engine=reward.engine,
        progress=progress,
    )
    spec = RewardSpec("linear", reward.attributes, cast("dict[str, float]", reward.weights))
    head = Head(prepared.model.config.hidden_size, spec=spec).to(prepared.model.device)
    model = RewardModel(prepared.model, head, spec=spec, num_lower=prepared.num_lower).eval()
    pairs = training.rated_groups(reward.attributes)
    with (
        progress("reward", len(pairs) * reward.optimiser.epochs, "pair") as advance,
        packed_attention(prepared.model),
        logged_metrics(folder, prefix="reward", trackers=reward.engine.trackers, settings=settings) as log,
    ):
        fitted = train(
            model,
            prepared.rows,
            pairs,
            validation.rated_groups(reward.attributes),
            schedule=Schedule(
                reward.optimiser, reward.engine, reward.evaluate_every, settings.seed, prepared.precision
            ),
            reports=Reports(log, advance),
        )
    return RewardModel(merged(prepared.trained), head, spec=spec).eval(), fitted


def _final_metrics(
    model: RewardModel,
    tokenizer: PreTrainedTokenizerBase,
    validation: _Rows,
    *,
    settings: TrainRewardSettings,
    progress: Progress,
) -> Mapping[str, object]:
    reward = settings.reward
    rows = validation.pairs.rows_of(validation.tokens.numbers)
    scorer = RewardScorer(model, tokenizer, precision=fast_precision(model.device))
    with progress("held-out scores", rows.height, "row") as advance:
        scored = scorer.score(rows["prompt"].to_list(), rows["response"].to_list(), advance=advance)
    found: dict[str, object] = {}
    for index, name in enumerate(reward.attributes):
        rng = np.random.default_rng([settings.seed, index])
        if (rows[name].gather_every(2) == rows[name].gather_every(2, offset=1)).all():
            found[name] = None  # every pair ties on this attribute: there is nothing to rank
            continue
        accuracy = pairwise_accuracy(rows[name], scored.outputs[:, index], rng=rng, rounds=BOOTSTRAP_ROUNDS)
        found[name] = {
            **asdict(accuracy.accuracy),
            "tied_labels": accuracy.tied_labels,
            "tied_scores": accuracy.tied_scores,
        }
    return found


def _constant_error(training: _Rows, validation: _Rows, *, attributes: tuple[str, ...]) -> float:
    means = training.pairs.rows_of(training.tokens.numbers).select(attributes).to_numpy().mean(axis=0)
    labels = validation.pairs.rows_of(validation.tokens.numbers).select(attributes).to_numpy()
    return float(((labels - means) ** 2).mean())
