"""`steersman train dpo`: rated responses and a starting policy in, an aligned policy out."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.align.dpo import Policy, PreferencePairs, train
from steersman.config.run import TrainDpoSettings
from steersman.engine.fit import FitResult
from steersman.engine.objective import Reports, Schedule
from steersman.engine.processes import is_first
from steersman.engine.sharding import laid_out
from steersman.errors import DataError
from steersman.modeling.compiling import compiled_kernels
from steersman.modeling.kernels import PLAIN
from steersman.modeling.layers import layers_of
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.support import check_logprobs
from steersman.modeling.tuning import merged
from steersman.pipeline.examples import read_preferences
from steersman.pipeline.lineages import inherited
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.saving import save_model
from steersman.pipeline.stage import Outcome, Product, Stage
from steersman.pipeline.together import HELPED, run_stage_together
from steersman.pipeline.tracking import logged_metrics
from steersman.pipeline.training import TokenGroups, check_context, prepare, tokenise
from steersman.protocols import Progress, no_progress
from steersman.store.files import write_json
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER, RESUME_FOLDER


@dataclass(frozen=True, slots=True)
class _Preferences:
    tokens: TokenGroups
    chosen: list[int]
    num_ties: int
    num_equal: int


def run(settings: TrainDpoSettings, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Align a policy into the run folder `out` and return the contract of `train ... --json`.

    The data are pairs, or examples: then chosen is the response with the higher helpfulness, and ties are no pairs.
    `out/checkpoint` is a transformers folder for `AutoModelForCausalLM`.
    """
    return {"run": str(out), **run_outcome(settings, out=out, progress=progress).result}


def run_outcome(settings: TrainDpoSettings, *, out: Path, progress: Progress, replaces: bool = True) -> Outcome:
    """Do as `run`, and also say how long it took and whether it was there already.

    Unless it `replaces`, raises RunError where `out` holds the finished result of other settings or data.
    """
    inputs = {name: Path(path) for name, path in settings.data.model_dump().items()}
    for path in inputs.values():
        if not path.is_file():
            raise DataError(f"{path}: no such file; check the paths under 'data' of the config")
    inputs |= local_models({"model": settings.align.model})
    places = ("data", "estimate")
    stage = Stage("align", out, settings, settings.seed, inputs, places=places, resumes=True, replaces=replaces)
    return run_stage_together(stage, lambda folder: _make(folder, settings=settings, progress=progress))


def _make(folder: Path, *, settings: TrainDpoSettings, progress: Progress) -> Product:
    align = settings.align
    base = open_model(align.model, role="starting policy")
    tokenizer = load_tokenizer(base.folder)
    training = _read(Path(settings.data.train), tokenizer=tokenizer, settings=settings)
    validation = _read(Path(settings.data.validation), tokenizer=tokenizer, settings=settings)
    check_context(base, training.tokens, validation.tokens, key="align.max_tokens")
    model, fitted = _fit(folder, training, validation, base=base, settings=settings, progress=progress)
    if not is_first():
        return HELPED
    save_model(folder / CHECKPOINT_FOLDER, model, tokenizer)
    result = {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 3),
        "tokens": fitted.tokens,
        "best_step": fitted.best_step,
        "metrics": {f"align/validation_{name}": value for name, value in fitted.best.items()},
        "train_pairs": len(training.tokens.groups),
        "validation_pairs": len(validation.tokens.groups),
        "ties": training.num_ties + validation.num_ties,
        "dropped_long": training.tokens.num_too_long + validation.tokens.num_too_long,
        "dropped_equal": training.num_equal + validation.num_equal,
    }
    write_json(folder / "result.json", result)
    data = inherited([Path(settings.data.train), Path(settings.data.validation)], role="ratings")
    return Product(result, merge_ancestors([base.ancestors, data.ancestors]), data.simulated or base.is_simulated)


def _read(path: Path, *, tokenizer: PreTrainedTokenizerBase, settings: TrainDpoSettings) -> _Preferences:
    preferences = read_preferences(path)
    if not preferences.prompts:
        raise DataError(
            f"{path}: every pair ties on helpfulness or has two equal responses, so it holds no preference; DPO needs"
            " one to learn from and one to choose the step by: give more rows, or raise clean.validation_share"
        )
    most = settings.align.max_pairs
    tokens = tokenise(
        tokenizer,
        preferences.prompts[:most],
        preferences.responses[:most],
        max_tokens=settings.align.max_tokens,
        source=str(path),
    )
    return _Preferences(
        tokens, [preferences.chosen[number] for number in tokens.numbers], preferences.num_ties, preferences.num_equal
    )


def _fit(
    folder: Path,
    training: _Preferences,
    validation: _Preferences,
    *,
    base: ModelFolder,
    settings: TrainDpoSettings,
    progress: Progress,
) -> tuple[PreTrainedModel, FitResult]:
    align = settings.align
    torch.manual_seed(settings.seed)  # for the adapters' first weights
    num_training = len(training.chosen)
    groups = [*training.tokens.groups, *validation.tokens.groups]
    prepared = prepare(
        lambda dtype: load_policy(base.folder, dtype=dtype, device=torch.device("cpu")),
        groups,
        base=base,
        tune=align.tune,
        engine=align.engine,
        progress=progress,
    )
    check_logprobs(prepared.model, min(groups, key=lambda group: group.num_tokens))
    pairs = PreferencePairs(prepared.rows, [*training.chosen, *validation.chosen], num_training)
    policy = Policy(prepared.model, num_lower=prepared.num_lower)
    gather = laid_out(policy, layers=layers_of(prepared.model), within=prepared.trained, strategy=align.engine.strategy)
    num_tokens = sum(group.num_tokens for group in groups)
    total = num_tokens + align.optimiser.epochs * sum(group.num_tokens for group in training.tokens.groups)
    device = prepared.model.device
    with (
        progress("align", total, "token") as advance,
        packed_attention(prepared.model, kernels=compiled_kernels(device) if align.engine.compile else PLAIN),
        logged_metrics(folder, prefix="align", trackers=align.engine.trackers, settings=settings) as log,
    ):
        fitted = train(
            policy,
            pairs,
            beta=align.beta,
            schedule=Schedule(
                align.optimiser,
                align.engine,
                align.evaluate_every,
                settings.seed,
                prepared.precision,
                folder / RESUME_FOLDER,
            ),
            reports=Reports(log, advance),
        )
    _, trained = gather()
    return merged(trained).eval() if is_first() else prepared.model, fitted
