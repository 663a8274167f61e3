"""`steersman train reward`: rated responses in, a reward model folder out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.backends.reward_scorer import RewardScorer
from steersman.config.run import TrainRewardSettings
from steersman.config.sections import RewardSettings
from steersman.engine.fit import FitResult, Schedule
from steersman.errors import ConfigError, DataError
from steersman.evaluate.pairwise import pairwise_accuracy
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.modeling.precision import fast_precision
from steersman.modeling.tuning import merged
from steersman.pipeline.examples import RatedPairs, read_pairs
from steersman.pipeline.lineages import inherited
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.saving import save_model
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.pipeline.training import TokenGroups, metrics_logger, prepare_states, tokenise
from steersman.protocols import Progress, no_progress
from steersman.records import ATTRIBUTES
from steersman.reward.train import RatedGroup, train
from steersman.store.files import write_json
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER, METRICS_FILE

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
    stage = Stage("reward", out, settings, settings.seed, inputs, places=("data",))
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
    _save(folder / CHECKPOINT_FOLDER, model, tokenizer, reward=reward)
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
) -> tuple[PreTrainedModel, FitResult]:
    reward = settings.reward
    torch.manual_seed(settings.seed)  # for the adapters' first weights
    states, trained = prepare_states(
        lambda dtype: load_classifier(base.folder, num_outputs=len(reward.attributes), dtype=dtype),
        [*training.tokens.groups, *validation.tokens.groups],
        base=base,
        tune=reward.tune,
        progress=progress,
    )
    schedule = Schedule(reward.optimiser, reward.evaluate_every, settings.seed)
    pairs = training.rated_groups(reward.attributes)
    with progress("reward", len(pairs) * reward.optimiser.epochs, "pair") as advance:
        fitted = train(
            states,
            pairs,
            validation.rated_groups(reward.attributes),
            schedule=schedule,
            on_metrics=metrics_logger(folder / METRICS_FILE, prefix="reward"),
            advance=advance,
        )
    return merged(trained).eval(), fitted


def _save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, reward: RewardSettings) -> None:
    _separate_pad_token(model, tokenizer)
    model.config.id2label = dict(enumerate(reward.attributes))
    model.config.label2id = {name: index for index, name in enumerate(reward.attributes)}
    model.config.problem_type = "regression"
    model.config.reward_weights = dict(reward.weights)
    save_model(folder, model, tokenizer)


def _separate_pad_token(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    # transformers reads the score at the last token that is no padding: with pad == eos it would miss the end
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        spare = tokenizer.unk_token or tokenizer.bos_token
        if spare is not None and spare != tokenizer.eos_token:
            tokenizer.pad_token = spare
    model.config.pad_token_id = tokenizer.pad_token_id


def _final_metrics(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    validation: _Rows,
    *,
    settings: TrainRewardSettings,
    progress: Progress,
) -> Mapping[str, object]:
    reward = settings.reward
    rows = validation.pairs.rows_of(validation.tokens.numbers)
    scorer = RewardScorer(
        model, tokenizer, names=reward.attributes, weights=reward.weights, precision=fast_precision(model.device)
    )
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
