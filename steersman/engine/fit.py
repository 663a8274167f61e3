"""The one training loop: shuffled batches, rows within a token budget, AdamW, validation, the best weights kept."""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from steersman.engine.batching import batches, num_steps, num_tokens
from steersman.engine.best import BestWeights
from steersman.engine.checkpoint import keep_checkpoint, restored
from steersman.engine.objective import SILENT, Objective, Reports, Schedule
from steersman.engine.processes import is_first, of_all, of_first, spread_from_first
from steersman.engine.rates import rate_share
from steersman.engine.recomputing import recomputing
from steersman.engine.sharding import is_split
from steersman.engine.standing import Standing
from steersman.engine.step import make_optimiser, parameters_of, take_step
from steersman.errors import RunError
from steersman.protocols import note

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training came to; `best_step` 0 means that no step improved on the start."""

    steps: int
    seconds: float
    tokens: int
    best_step: int
    best: Mapping[str, float]


def fit(model: nn.Module, objective: Objective, *, schedule: Schedule, reports: Reports) -> FitResult:
    """Train `model` in place and leave it with the weights of the lowest validation loss.

    The metrics are `step`, the mean `train_loss` since the last evaluation, `learning_rate`, `gradient_norm` and those
    of validation. The model stays in the mode it is in: one loaded for evaluation trains without dropout. Of several
    processes all call it alike, and the first one reports. A gradient that is not finite ends the training. Raises
    RunError when the validation loss is not finite at the start, when no step was better than the start before such a
    gradient, or a checkpoint cannot be written.
    """
    kept = BestWeights(schedule.resume)
    try:
        with recomputing(model) if schedule.engine.checkpointing else nullcontext():
            return _fit(model, objective, schedule=schedule, reports=reports if is_first() else SILENT, kept=kept)
    finally:
        kept.remove()


def _fit(
    model: nn.Module, objective: Objective, *, schedule: Schedule, reports: Reports, kept: BestWeights
) -> FitResult:
    began = time.monotonic()
    optimiser = make_optimiser(model, optimiser=schedule.optimiser)
    standing = _begun(model, optimiser, objective, schedule=schedule, kept=kept)
    began -= standing.seconds
    last_step = num_steps(len(objective.tokens), optimiser=schedule.optimiser)
    plan = batches(len(objective.tokens), optimiser=schedule.optimiser, seed=schedule.seed)
    _tell_again(standing, islice(plan, standing.step), objective, reports=reports)
    for batch in plan:
        _step(standing, optimiser, objective, batch, schedule=schedule)
        if not math.isfinite(standing.norm):
            _end_early(standing)
            break
        reports.advance(num_tokens(batch, tokens=objective.tokens))
        note(reports.advance, {"loss": standing.losses[-1]})
        if standing.step % schedule.evaluate_every == 0 or standing.step == last_step:
            reports.on_metrics(_evaluated(standing, optimiser, objective))
            if schedule.engine.patience is not None and standing.stale >= schedule.engine.patience:
                break
        standing.seconds = time.monotonic() - began
        if standing.step < last_step:
            _keep_if_due(model, optimiser, standing, schedule=schedule)
    kept.put_back(parameters_of(optimiser))
    # nobody clears the folder before all have read what they hold there
    of_all(None)
    seconds = time.monotonic() - began
    return FitResult(standing.step, seconds, standing.tokens, standing.best_step, standing.best)


def _begun(
    model: nn.Module, optimiser: torch.optim.AdamW, objective: Objective, *, schedule: Schedule, kept: BestWeights
) -> Standing:
    """Return where the training stands: at its newest checkpoint, or evaluated before the first step."""
    parameters = parameters_of(optimiser)
    if not is_split(parameters[0]):
        # processes that loaded or computed their weights apart may differ in the last bits
        spread_from_first(parameters)
    found = restored(schedule.resume, model, optimiser, kept=kept)
    if found is not None:
        return found
    best = of_first(objective.evaluate())
    if not math.isfinite(best["loss"]):
        raise RunError(
            f"the validation loss is {best['loss']} before the first step, so no step could ever be kept; check the"
            " model's weights and the labels"
        )
    kept.keep(parameters)
    return Standing(best=best, kept=kept, rows=[{"step": 0, **best}])


def _tell_again(standing: Standing, done: Iterable[Sequence[int]], objective: Objective, *, reports: Reports) -> None:
    """Report what was known before: the logs of an interrupted attempt are gone, its progress is not."""
    for row in standing.rows:
        reports.on_metrics(row)
    for batch in done:
        reports.advance(num_tokens(batch, tokens=objective.tokens))


def _step(
    standing: Standing, optimiser: torch.optim.AdamW, objective: Objective, batch: Sequence[int], *, schedule: Schedule
) -> None:
    """Take the next step and note in `standing` what became of it."""
    standing.step += 1
    last_step = num_steps(len(objective.tokens), optimiser=schedule.optimiser)
    share = rate_share(standing.step, last_step=last_step, optimiser=schedule.optimiser)
    standing.rate = schedule.optimiser.learning_rate * share
    loss, standing.norm = take_step(optimiser, objective, batch, rate=standing.rate, schedule=schedule)
    standing.losses.append(loss)
    standing.tokens += num_tokens(batch, tokens=objective.tokens)


def _end_early(standing: Standing) -> None:
    """Take back the step that could not be taken, and say so; raises RunError when there is nothing to keep."""
    what, advice = f"the gradient's norm is {standing.norm} at step {standing.step}", "lower optimiser.learning_rate"
    if standing.best_step == 0:
        raise RunError(f"{what}, and no step before was better than the start; {advice}")
    if is_first():
        logger.warning("%s: the training ends with the weights of step %d; %s", what, standing.best_step, advice)
    standing.step -= 1


def _evaluated(standing: Standing, optimiser: torch.optim.AdamW, objective: Objective) -> Mapping[str, float]:
    """Evaluate, note whether it is the best so far, and return the metrics since the last evaluation.

    All processes go by what the first one found, so that they keep the same step and stop at the same one.
    """
    found = of_first(objective.evaluate())
    train_loss = sum(standing.losses) / len(standing.losses)
    standing.losses = []
    standing.stale += 1
    if found["loss"] < standing.best["loss"]:
        standing.stale, standing.best_step, standing.best = 0, standing.step, found
        standing.kept.keep(parameters_of(optimiser))
    rates = {"learning_rate": standing.rate, "gradient_norm": standing.norm}
    standing.rows.append({"step": standing.step, "train_loss": train_loss, **found, **rates})
    return standing.rows[-1]


def _keep_if_due(model: nn.Module, optimiser: torch.optim.AdamW, standing: Standing, *, schedule: Schedule) -> None:
    every = schedule.engine.save_every
    if schedule.resume is not None and every is not None and standing.step % every == 0:
        keep_checkpoint(schedule.resume, model, optimiser, standing)
