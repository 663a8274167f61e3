"""What a training minimises, how long and in what order: the records that the loop is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.modeling.precision import Precision

# Called with the indices of training groups that share a row; returns their summed loss terms, (K,), with gradients.
LossOf = Callable[[Sequence[int]], torch.Tensor]
# Returns validation metrics; the key "loss" decides which weights are kept.
Evaluate = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Objective:
    """What `fit` minimises: per batch, the sum over K terms of coefficient x (summed term / summed weight).

    `weights` (groups, K) count what each group adds to each term, labels or pairs; `tokens` are the groups' lengths.
    Each of several processes calls `loss_of` with groups of its own, and all of them call `evaluate` together.
    """

    loss_of: LossOf
    evaluate: Evaluate
    weights: torch.Tensor
    tokens: Sequence[int]
    coefficients: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, in what order and how: `seed` decides the order, `evaluate_every` counts optimiser steps.

    `resume` is the folder of this training's own checkpoints, which all processes share; None keeps none. Give it to
    no other training: what lies in it is taken for what this one has done.
    """

    optimiser: OptimiserSettings
    engine: EngineSettings
    evaluate_every: int
    seed: int
    precision: Precision = "float32"
    resume: Path | None = None


@dataclass(frozen=True, slots=True)
class Reports:
    """Who hears of a training: `on_metrics` gets the step and its metrics, `advance` the number of tokens done,
    and the running loss where it has room for notes.

    A training that goes on from a checkpoint tells first what was told before it.
    """

    on_metrics: Callable[[Mapping[str, float]], None]
    advance: Callable[[int], None]


SILENT = Reports(lambda _: None, lambda _: None)
