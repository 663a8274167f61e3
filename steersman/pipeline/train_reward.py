"""`steersman train reward`: rated responses or preferences in, a reward model folder out."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from steersman.config.reward import RewardSettings
from steersman.config.run import TrainRewardSettings
from steersman.engine.objective import Reports
from steersman.engine.processes import is_first
from steersman.errors import DataError
from steersman.modeling.loading import load_tokenizer
from steersman.pipeline.learning_curve import CurvePoint, check_sizes, nested_sets
from steersman.pipeline.lineages import Inheritance, inherited
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.reward_folder import save_reward_model
from steersman.pipeline.reward_judging import judge
from steersman.pipeline.reward_rows import (
    TO_BE_FITTED,
    RewardRows,
    check_usable,
    read_rows,
    spec_of,
    untrained_outputs,
)
from steersman.pipeline.reward_training import RewardJob, Trained, train_model
from steersman.pipeline.stage import Outcome, Product, Stage
from steersman.pipeline.together import HELPED, run_stage_together
from steersman.pipeline.tracking import logged_metrics
from steersman.pipeline.training import check_context
from steersman.protocols import Progress, no_progress
from steersman.reward.heads import Outputs
from steersman.reward.scalarise import fit_weights
from steersman.reward.spec import RewardSpec
from steersman.reward.terms import RatedGroup, Terms, counting, targets_of
from steersman.reward.values import values
from steersman.store.files import append_jsonl, write_json
from steersman.store.lineage import merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER, RESUME_FOLDER

CURVE_FILE = "learning_curve.jsonl"


def run(settings: TrainRewardSettings, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Train a reward model into the run folder `out` and return the contract of `train ... --json`.

    `out/checkpoint` is a transformers folder, which `AutoModelForSequenceClassification` loads where the head's shape
    allows. A finished run of the same settings and data is not repeated.
    """
    return {"run": str(out), **run_outcome(settings, out=out, progress=progress).result}


def run_outcome(settings: TrainRewardSettings, *, out: Path, progress: Progress, replaces: bool = True) -> Outcome:
    """Do as `run`, and also say how long it took and whether it was there already.

    Unless it `replaces`, raises RunError where `out` holds the finished result of other settings or data.
    """
    inputs = {name: _existing(Path(path)) for name, path in settings.data.model_dump().items()}
    inputs |= local_models({"model": settings.reward.model})
    places = ("data", "estimate")
    stage = Stage("reward", out, settings, settings.seed, inputs, places=places, resumes=True, replaces=replaces)
    return run_stage_together(stage, lambda folder: _make(folder, settings=settings, progress=progress))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the paths under 'data' of the config")
    return path


def _make(folder: Path, *, settings: TrainRewardSettings, progress: Progress) -> Product:
    reward = settings.reward
    base = open_model(reward.model, role="base model of the reward model")
    tokenizer = load_tokenizer(base.folder)
    training = read_rows(Path(settings.data.train), part="train", tokenizer=tokenizer, reward=reward)
    validation = read_rows(Path(settings.data.validation), part="validation", tokenizer=tokenizer, reward=reward)
    check_context(base, training.tokens, validation.tokens, key="reward.max_tokens")
    terms = Terms(reward.objectives, spec_of(reward), reward.ranking_output)
    for part in (training, validation):
        check_usable(terms, part.rated, source=part.data.source)
    untrained = untrained_outputs(terms, training.rated, reward=reward)
    used = counting(terms, training.rated)
    check_sizes(reward.learning_curve, num_pairs=len(used))
    job = RewardJob(base, reward, terms, settings.seed, folder / RESUME_FOLDER)
    trained = _trained(folder, job, used, validation.rated, settings=settings, progress=progress)
    curve = _curve(folder, replace(job, resume=None), used, validation.rated, progress=progress)
    if not is_first():
        return HELPED
    spec = _final_spec(trained.outputs, validation, terms=terms, untrained=untrained)
    model = trained.open_model()
    model.spec = spec
    origin = _origin(base, settings)
    save_reward_model(folder / CHECKPOINT_FOLDER, model, tokenizer, origin=origin)
    judged = judge(
        trained.outputs,
        validation.held,
        terms=replace(terms, spec=spec),
        constants=training.means,
        seed=settings.seed,
    )
    result = {
        **_of_training(trained, reward=reward),
        "train_pairs": len(used),
        **_of_data(training, validation),
        "missing_labels": training.missing_labels(reward.attributes),
        **judged,
        "weights": dict(spec.weights),
        "weights_source": spec.weights_source,
        "learning_curve": [asdict(point) for point in curve],
        "untrained": untrained,
        "warnings": [*_ignored(reward), *_warnings(training, validation, untrained=untrained)],
    }
    write_json(folder / "result.json", result)
    return Product(result, origin.ancestors, origin.simulated)


def _ignored(reward: RewardSettings) -> list[str]:
    keys = reward.without_effect
    if not keys:
        return []
    verb = "has" if len(keys) == 1 else "have"
    return [f"{', '.join(keys)} {verb} no effect: with tune.mode 'frozen' a solver fits the head to its end"]


def _warnings(training: RewardRows, validation: RewardRows, *, untrained: Sequence[str]) -> list[str]:
    words = [f"{name}: nothing trains this output, so it means nothing" for name in untrained]
    known, asked = set(training.held.prompts), validation.held.prompts
    shared = sum(prompt in known for prompt in asked)
    if shared:
        words.append(
            f"{shared} of {len(asked)} validation pairs have a prompt that is also trained on, so the figures do not"
            " say how the model does on new prompts"
        )
    return words


def _origin(base: ModelFolder, settings: TrainRewardSettings) -> Inheritance:
    data = inherited([Path(settings.data.train), Path(settings.data.validation)], role="ratings")
    return Inheritance(merge_ancestors([base.ancestors, data.ancestors]), data.simulated or base.is_simulated)


def _trained(
    folder: Path,
    job: RewardJob,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    settings: TrainRewardSettings,
    progress: Progress,
) -> Trained:
    trackers = job.reward.engine.trackers
    with (
        progress("reward", _work(job.reward, training), "token") as advance,
        logged_metrics(folder, prefix="reward", trackers=trackers, settings=settings) as log,
    ):
        reports = Reports(log, advance)
        return train_model(job, training, validation, reports=reports, progress=progress)


def _work(reward: RewardSettings, training: Sequence[RatedGroup]) -> int:
    """Return how many tokens a training goes through."""
    num_tokens = sum(each.group.num_tokens for each in training)
    if reward.tune.mode == "frozen" or reward.optimiser is None:
        return num_tokens
    return num_tokens * reward.optimiser.epochs


def _curve(
    folder: Path,
    job: RewardJob,
    training: Sequence[RatedGroup],
    validation: Sequence[RatedGroup],
    *,
    progress: Progress,
) -> list[CurvePoint]:
    """Train afresh on each number of pairs that the learning curve asks for, and log what came of it."""
    points = []
    for numbers in nested_sets(job.reward.learning_curve, num_pairs=len(training), seed=job.seed):
        part = [training[number] for number in numbers]
        check_usable(job.terms, part, source=f"{len(part)} pairs of reward.learning_curve")
        with progress(f"reward, {len(part)} pairs", _work(job.reward, part), "token") as advance:
            reports = Reports(lambda _: None, advance)
            trained = train_model(job, part, validation, reports=reports, progress=progress)
        points.append(CurvePoint.of(len(part), trained.fitted))
        if is_first():
            append_jsonl(folder / CURVE_FILE, asdict(points[-1]))
    return points


def _final_spec(outputs: Outputs, validation: RewardRows, *, terms: Terms, untrained: list[str]) -> RewardSpec:
    """Return what the model predicts, with weights fitted on the validation pairs where they are asked for."""
    spec = terms.spec
    if spec.weights_source != TO_BE_FITTED:
        return spec
    names = [name for name in spec.attributes if name not in untrained]
    columns = [spec.attributes.index(name) for name in names]
    targets = targets_of(validation.rated)
    found_BA = values(outputs, spec=spec)[:, columns]
    fitted = fit_weights(
        found_BA[targets.firsts] - found_BA[targets.seconds],
        targets.strengths,
        attributes=names,
        source=Path(validation.data.source).name,
    )
    return replace(spec, weights=fitted.weights, weights_source=fitted.description())


def _of_training(trained: Trained, *, reward: RewardSettings) -> dict[str, object]:
    fitted, probe = trained.fitted, trained.probe
    start = "kept" if reward.keep_head else reward.head_start
    return {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 3),
        "tokens": fitted.tokens,
        "best_step": fitted.best_step,
        "metrics": {f"reward/validation_{_short(name)}": value for name, value in fitted.best.items()},
        "head_start": None if reward.tune.mode == "frozen" else start,
        "probe_penalties": None if probe is None else dict(probe.penalties),
        "ranked_by": reward.ranking_output,
        "objectives": {each.name: each.weight for each in reward.objectives},
        "tune_mode": reward.tune.mode,
    }


def _short(name: str) -> str:
    return name.removeprefix("validation_")


def _of_data(training: RewardRows, validation: RewardRows) -> dict[str, object]:
    parts = (training, validation)
    return {
        "validation_pairs": len(validation.rated),
        "ties": sum(part.num_ties for part in parts),
        "not_compared": sum(part.num_uncompared for part in parts),
        "dropped_long": sum(part.tokens.num_too_long for part in parts),
        "dropped_equal": sum(part.data.num_equal for part in parts),
        "other_splits": sum(part.data.other_splits for part in parts),
        "preferences": {"train": _preferences(training), "validation": _preferences(validation)},
    }


def _preferences(rows: RewardRows) -> dict[str, int]:
    return {"untied": rows.num_untied, "tied": rows.num_ties, "not_compared": rows.num_uncompared}
