"""`steersman train ... --dry-run`: what a training will take, from its config, the model's shape and the rows.

Nothing is loaded or downloaded but a config.json; what cannot be known here is named instead of guessed.
"""

import math
from dataclasses import asdict, dataclass

from steersman.config.engine import EngineSettings
from steersman.config.estimating import EstimateSettings
from steersman.config.reward import RewardSettings
from steersman.config.run import TrainDpoSettings, TrainRewardSettings
from steersman.config.sections import AlignSettings, OptimiserSettings
from steersman.engine.batching import num_steps
from steersman.engine.duration import duration, exchanged_bytes, gathered_bytes, training_operations
from steersman.engine.estimate import Memory, TrainingPlan, host_bytes, memory, parameters
from steersman.engine.model_shape import ModelShape
from steersman.errors import ConfigError, PluginError
from steersman.pipeline.estimate_rows import CountTokens, RowCounts, count_rows
from steersman.reward.spec import NUM_LEVELS
from steersman.sources.model_configs import ModelConfig, find_model_config
from steersman.store.cache import cache_folder

_GIGA = 1e9
_SECONDS_PER_HOUR = 3600
# sizes of reward.heads, which needs torch to be imported
_GATE_WIDTH, _TIE_THRESHOLDS = 64, 3


@dataclass(frozen=True, slots=True)
class Work:
    """The training over all rows: optimiser steps, evaluations, operations on all devices, bytes one device sends."""

    steps: int
    evaluations: int
    operations: int
    sent_bytes: int


def run(settings: TrainRewardSettings | TrainDpoSettings, *, count: CountTokens | None) -> dict[str, object]:
    """Return the estimate; figures that are not known are None, and `unknown` says what they would need.

    `count` gives the lengths in tokens of texts where the model's tokenizer is on this machine; without it, or where
    it gives None, characters are counted. Raises ConfigError where the config asks for more layers than there are.
    """
    section = settings.reward if isinstance(settings, TrainRewardSettings) else settings.align
    unknown: list[str] = []
    shape, source = _shape(section, like=settings.estimate.model, unknown=unknown)
    rows = count_rows(settings, count=count, unknown=unknown)
    pairs = rows.train_pairs
    result: dict[str, object] = {
        "model": {"name": section.model, "source": source, "shape": None if shape is None else asdict(shape)},
        "devices": settings.estimate.devices,
        "rows": asdict(rows),
        "steps": None if pairs is None else _num_steps(pairs, optimiser=section.optimiser),
        **dict.fromkeys(("parameters", "memory", "evaluations", "operations", "duration", "cost")),
    }
    if shape is None:
        return {**result, "unknown": unknown}
    plan = _plan(shape, section, devices=settings.estimate, rows=rows)
    result["parameters"] = asdict(parameters(plan))
    result["memory"] = _memory_result(memory(plan), plan=plan, devices=settings.estimate)
    work = _work(plan, rows, section=section)
    if work is not None:
        result |= {"operations": work.operations, "evaluations": work.evaluations}
        result |= _time_result(work, devices=settings.estimate, unknown=unknown)
    return {**result, "unknown": unknown}


def _shape(
    section: RewardSettings | AlignSettings, *, like: str | None, unknown: list[str]
) -> tuple[ModelShape | None, str | None]:
    try:
        config = _config(section.model, like=like)
        shape = ModelShape.from_config(config.values, source=config.source)
    except PluginError as error:
        unknown.append(f"weights, memory and time: {error}; or name a model of the same shape in estimate.model")
        return None, None
    kept = section.backbone_layers if isinstance(section, RewardSettings) else None
    for key, layers in (("backbone_layers", kept), ("tune.layers", section.tune.layers)):
        if layers is not None and layers > shape.layers:
            raise ConfigError(f"{key} is {layers}, but the model has only {shape.layers} layers")
    return (shape if kept is None else shape.with_layers(kept)), config.source


def _config(model: str, *, like: str | None) -> ModelConfig:
    cache = cache_folder() / "hub"
    try:
        return find_model_config(model, cache=cache)
    except PluginError:
        if like is None:
            raise
        return find_model_config(like, cache=cache)


def _plan(
    shape: ModelShape, section: RewardSettings | AlignSettings, *, devices: EstimateSettings, rows: RowCounts
) -> TrainingPlan:
    engine = section.engine
    return TrainingPlan(
        shape,
        head=head_parameters(section, hidden=shape.hidden) if isinstance(section, RewardSettings) else None,
        tune=section.tune,
        precision="float32" if engine.precision == "float32" else "bfloat16",
        checkpointing=engine.checkpointing,
        strategy=engine.strategy,
        devices=devices.devices,
        row_tokens=_row_tokens(rows, engine=engine, max_tokens=section.max_tokens),
        reads="ends" if isinstance(section, RewardSettings) and section.pooling != "mean" else "responses",
    )


def _row_tokens(rows: RowCounts, *, engine: EngineSettings, max_tokens: int) -> int:
    # a group longer than the budget has a row of its own: two conversations of the greatest length, at most
    longest = 2 * max_tokens if rows.longest is None else rows.longest
    return max(engine.micro_batch_tokens, longest)


def head_parameters(reward: RewardSettings, *, hidden: int) -> int:
    """Return the number of weights of the head that `reward` asks for, over states of width `hidden`."""
    attributes = len(reward.attributes)
    outputs = attributes * (NUM_LEVELS if reward.head == "categorical" else 1)
    count = outputs * hidden + (outputs if reward.bias else 0)
    if reward.head == "ordinal":
        count += attributes * (NUM_LEVELS - 1)
    if reward.head == "gating":
        count += _GATE_WIDTH * (hidden + 1) + attributes * (_GATE_WIDTH + 1)
    if any(each.name == "preference-ordinal" for each in reward.objectives):
        count += _TIE_THRESHOLDS
    return count


def _memory_result(found: Memory, *, plan: TrainingPlan, devices: EstimateSettings) -> dict[str, object]:
    room = None if devices.device_memory_gb is None else int(devices.device_memory_gb * _GIGA)
    fits = None if room is None else found.total <= room
    about = {"device": room, "fits": fits, "row_tokens": plan.row_tokens, "host_per_process": host_bytes(plan)}
    return {**asdict(found), "total": found.total, **about}


def _work(plan: TrainingPlan, rows: RowCounts, *, section: RewardSettings | AlignSettings) -> Work | None:
    train, validation = rows.train, rows.validation
    if train is None or validation is None:
        return None
    optimiser, every = section.optimiser, section.evaluate_every
    if section.tune.mode == "frozen" or optimiser is None or every is None:
        # a frozen model reads every row once, and fitting its head takes nothing beside that
        return Work(0, 1, training_operations(plan, train, validation, epochs=0, evaluations=1), 0)
    steps = num_steps(train.groups, optimiser=optimiser)
    # one before the first step, and one after the last
    evaluations = 1 - (-steps // every)
    operations = training_operations(plan, train, validation, epochs=optimiser.epochs, evaluations=evaluations)
    shared = plan.devices * section.engine.micro_batch_tokens
    batch_tokens = train.tokens * optimiser.batch_pairs / train.groups
    sent = steps * exchanged_bytes(plan, micro_batches=math.ceil(batch_tokens / shared))
    sent += evaluations * gathered_bytes(plan, passes=math.ceil(validation.tokens / shared))
    return Work(steps, evaluations, operations, sent)


def _num_steps(num_pairs: int, *, optimiser: OptimiserSettings | None) -> int:
    return 0 if optimiser is None else num_steps(num_pairs, optimiser=optimiser)


def _time_result(work: Work, *, devices: EstimateSettings, unknown: list[str]) -> dict[str, object]:
    found = duration(work.operations, work.sent_bytes, devices=devices)
    if found is None:
        unknown.append("time: give estimate.peak_tflops and estimate.share_of_peak")
        return {}
    hours = devices.devices * found.seconds / _SECONDS_PER_HOUR
    price = devices.price_per_device_hour
    if price is None:
        unknown.append("cost: give estimate.price_per_device_hour")
    shown = {"seconds": found.seconds, "compute_seconds": found.compute, "exchange_seconds": found.exchange}
    return {"duration": {**shown, "device_hours": hours}, "cost": None if price is None else price * hours}
