"""A step in bfloat16 rounds matrix products, and neither the loss nor the share of a group in it."""

import pytest
import torch
from torch import nn

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.objective import Objective, Schedule
from steersman.engine.step import make_optimiser, take_step

# none of these, nor a third of their sum, is a number of bfloat16, which has 8 significant bits
FACTORS = torch.tensor([1.001, 2.003, 4.007])


def test_a_step_in_bfloat16_has_the_loss_and_the_gradient_of_full_precision() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    settings = OptimiserSettings(learning_rate=1e-3, epochs=1, batch_pairs=3, clip_norm=1e3)
    schedule = Schedule(settings, EngineSettings.model_validate({}), evaluate_every=1, seed=0, precision="bfloat16")
    objective = Objective(
        lambda indices: model.weight[0] * FACTORS[list(indices)].sum(),
        evaluate=lambda: {"loss": 0.0},
        weights=torch.ones(3, 1),
        tokens=[1, 1, 1],
    )
    loss, norm = take_step(
        make_optimiser(model, optimiser=settings), objective, [0, 1, 2], rate=1e-3, schedule=schedule
    )
    # the loss is the weight times the mean factor, so its gradient is the mean factor, and so is it at a weight of 1
    assert loss == pytest.approx(FACTORS.mean().item(), rel=1e-6)
    assert norm == pytest.approx(FACTORS.mean().item(), rel=1e-6)
