"""A small network trained on noise: every kind of state a training has, in milliseconds."""

from collections.abc import Sequence
from pathlib import Path

import torch
from constant_model import Recorder, run, schedule
from torch import nn

from steersman.engine.fit import FitResult
from steersman.engine.objective import Objective, Schedule
from steersman.engine.processes import shared_out

NUM_GROUPS = 11


class Network(nn.Module):
    """Two layers, a part that no loss reaches, and a frozen part."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.ModuleList([nn.Sequential(nn.Linear(5, 8), nn.Tanh()), nn.Linear(8, 3)])
            self.unused = nn.Linear(3, 2)
            self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            inputs = layer(inputs)
        outputs: torch.Tensor = self.frozen(inputs)
        return outputs


def noise() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inputs (groups, 5) and labels (groups, 3) that every training here sees."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(NUM_GROUPS, 5, generator=generator), torch.randn(NUM_GROUPS, 3, generator=generator)


def objective_of(model: nn.Module, *, with_noise: bool = False) -> Objective:
    """Return the squared error; `with_noise` adds numbers drawn at random, as dropout would."""
    inputs, labels = noise()

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        predicted: torch.Tensor = model(inputs[list(indices)])
        target = labels[list(indices)]
        return (predicted - (target + torch.randn_like(target) if with_noise else target)).square().sum()[None]

    def error(index: int) -> float:
        with torch.no_grad():
            predicted: torch.Tensor = model(inputs[index : index + 1])
            return (predicted - labels[index]).square().sum().item()

    def evaluate() -> dict[str, float]:
        errors = shared_out(error, tokens={index: index % 4 + 1 for index in range(NUM_GROUPS)})
        return {"loss": sum(errors) / NUM_GROUPS}

    tokens = [index % 4 + 1 for index in range(NUM_GROUPS)]
    return Objective(loss_of, evaluate, torch.full((NUM_GROUPS, 1), 3.0), tokens)


def noise_schedule(*, resume: Path | None = None, save_every: int | None = None, strategy: str = "ddp") -> Schedule:
    """Return three epochs of batches of 4, 4 and 3 groups, in rows of at most 3 tokens, evaluated every other step."""
    engine = {"micro_batch_tokens": 3, "save_every": save_every, "strategy": strategy}
    plan = schedule(
        seed=1,
        evaluate_every=2,
        engine=engine,
        epochs=3,
        batch_pairs=4,
        weight_decay=0.1,
        clip_norm=1.0,
        learning_rate=0.02,
        schedule="cosine",
        warmup_steps=2,
    )
    return Schedule(plan.optimiser, plan.engine, plan.evaluate_every, plan.seed, plan.precision, resume)


def trained(model: nn.Module, objective: Objective, plan: Schedule) -> tuple[FitResult, Recorder]:
    recorder = Recorder()
    return run(model, objective, plan, recorder=recorder), recorder
