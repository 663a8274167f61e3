"""A model of one weight that predicts itself, its objective, and schedules: small enough to do by hand."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.fit import FitResult, fit
from steersman.engine.objective import Objective, Reports, Schedule

# groups with one, two and three labels: a mean over groups is not a mean over labels
LABELS = [[1.0], [2.0, 4.0], [3.0, 3.0, 9.0]]
NO_CLIPPING = 1e9


class Constant(nn.Module):
    """A model of one weight that predicts itself."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), value))


class Recorder:
    """Keeps every row of metrics, and the tokens that progress counted."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.counts: list[int] = []

    def reports(self) -> Reports:
        return Reports(lambda metrics: self.rows.append(dict(metrics)), self.counts.append)


def optimiser_settings(**changes: object) -> OptimiserSettings:
    settings = {
        "learning_rate": 0.1,
        "epochs": 1,
        "batch_pairs": 3,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "clip_norm": NO_CLIPPING,
    }
    return OptimiserSettings.model_validate({**settings, **changes})


def schedule(
    seed: int = 0, evaluate_every: int = 1, engine: Mapping[str, object] | None = None, **optimiser: object
) -> Schedule:
    return Schedule(optimiser_settings(**optimiser), EngineSettings.model_validate(engine or {}), evaluate_every, seed)


def counts_of(labels: Sequence[Sequence[float]]) -> torch.Tensor:
    """Return the weights of an objective with one term: how many labels each group has."""
    return torch.tensor([[float(len(each))] for each in labels])


def squared_errors(model: Constant, labels: Sequence[Sequence[float]]) -> Objective:
    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        errors = [model.weight - label for index in indices for label in labels[index]]
        return torch.stack(errors).square().sum()[None] if errors else 0 * model.weight[0]

    return Objective(loss_of, lambda: {"loss": 0.0}, counts_of(labels), [10 for _ in labels])


def run(model: nn.Module, objective: Objective, plan: Schedule, *, recorder: Recorder | None = None) -> FitResult:
    return fit(model, objective, schedule=plan, reports=(recorder or Recorder()).reports())
