"""Heads: from the states of responses to the numbers that objectives and scores are made of.

Shapes: N responses of a row, D hidden size, O outputs, A attributes, L levels. All in float32.
"""

from typing import NamedTuple

import torch
from torch import nn

from steersman.errors import RunError
from steersman.reward.spec import NUM_LEVELS, RewardSpec

_FIRST_THRESHOLD, _FIRST_STEP = -2.0, 1.0
_GATE_WIDTH = 64


class Outputs(NamedTuple):
    """What a reward model gives for a row: numbers per response (N, O), and what its kind of head adds.

    `thresholds` (A, L - 1) of an ordinal head, `gates` (N, A) of a gating head, `tie_thresholds` (3,) of an objective
    that models the strength of preferences; None where the head has none.
    """

    raw: torch.Tensor
    thresholds: torch.Tensor | None = None
    gates: torch.Tensor | None = None
    tie_thresholds: torch.Tensor | None = None


class Thresholds(nn.Module):
    """Increasing numbers, shape (rows, count): a first one and positive steps."""

    # places on a scale: weight decay would draw them to zero
    holds_biases = True

    def __init__(self, rows: int, count: int, *, first: float, step: float) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.full((rows, 1), first))
        # softplus(log(e^s - 1)) = s
        self.steps = nn.Parameter(torch.full((rows, count - 1), step).expm1().log())

    def forward(self) -> torch.Tensor:
        """Return the thresholds, lowest first; raises RunError when rounding has made two of them one."""
        steps = nn.functional.softplus(self.steps)
        return _increasing(torch.cat([self.first, self.first + steps.cumsum(dim=1)], dim=1))


class TieThresholds(nn.Module):
    """Increasing numbers above zero, shape (count,): positive steps from zero on."""

    def __init__(self, count: int, *, first: float, step: float) -> None:
        super().__init__()
        self.steps = nn.Parameter(torch.tensor([first] + [step] * (count - 1)).expm1().log())

    def forward(self) -> torch.Tensor:
        """Return the thresholds, lowest first; raises RunError when rounding has made two of them one."""
        return _increasing(nn.functional.softplus(self.steps).cumsum(dim=0))


def _increasing(thresholds: torch.Tensor) -> torch.Tensor:
    if not (thresholds.diff(dim=-1) > 0).all():
        raise RunError(
            f"the thresholds between levels ran together or are no numbers: {thresholds.tolist()}; lower"
            " optimiser.learning_rate"
        )
    return thresholds


class Gate(nn.Module):
    """Weights of attributes that depend on the prompt: positive, and one in sum (ArmoRM, Wang et al. 2024)."""

    def __init__(self, hidden_size: int, num_attributes: int) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden_size, _GATE_WIDTH)
        self.outer = nn.Linear(_GATE_WIDTH, num_attributes)
        # it starts at equal weights, whatever the seed
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, prompts_ND: torch.Tensor) -> torch.Tensor:
        """Return the weights, (N, A)."""
        return torch.softmax(self.outer(nn.functional.silu(self.inner(prompts_ND))), dim=-1)


class Head(nn.Module):
    """The head that `spec` asks for; it starts at zero, so that the first predictions are equal for all responses."""

    def __init__(self, hidden_size: int, *, spec: RewardSpec, models_ties: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, spec.num_outputs, bias=spec.has_bias)
        for each in self.linear.parameters():
            nn.init.zeros_(each)
        num_attributes = len(spec.attributes)
        self.thresholds = (
            Thresholds(num_attributes, NUM_LEVELS - 1, first=_FIRST_THRESHOLD, step=_FIRST_STEP)
            if spec.kind == "ordinal"
            else None
        )
        self.gate = Gate(hidden_size, num_attributes) if spec.kind == "gating" else None
        self.ties = TieThresholds(3, first=0.5, step=_FIRST_STEP) if models_ties else None

    def forward(self, responses_ND: torch.Tensor, prompts_ND: torch.Tensor) -> Outputs:
        """Return the outputs from the states of responses and of the prompts before them, float32 each."""
        with torch.autocast(responses_ND.device.type, enabled=False):
            return Outputs(
                self.linear(responses_ND),
                thresholds=None if self.thresholds is None else self.thresholds(),
                gates=None if self.gate is None else self.gate(prompts_ND),
                tie_thresholds=None if self.ties is None else self.ties(),
            )
