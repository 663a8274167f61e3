"""Direct preference optimisation: raise the chosen response against the rejected one, relative to the start.

A pair is a group of two responses in the order they came, so that its cached activations are those of the reward
model's training. The reference is the policy before the first step; its log-probabilities are computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from steersman.align.losses import dpo_loss, log_ratio_margin
from steersman.engine.fit import FitResult, fit
from steersman.engine.objective import Objective, Reports, Schedule
from steersman.engine.processes import shared_out
from steersman.modeling.evaluating import evaluating
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.precision import Precision
from steersman.modeling.rows import GroupRows, Row, autocast, states_of


class Policy(nn.Module):
    """Gives the log-probability of every response in a row, (N,), in nats; several processes share its forward."""

    def __init__(self, model: PreTrainedModel, *, num_lower: int) -> None:
        super().__init__()
        self.model = model
        self.num_lower = num_lower

    def forward(self, row: Row) -> torch.Tensor:
        """Return the summed log-probabilities of the row's responses, in order, over all its groups."""
        return response_logprobs(self.model, states_of(self.model, row, num_lower=self.num_lower), row.packed)


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """Pairs of responses: `chosen` says which of each group won, 0 or 1.

    The first `num_training` are trained on, the rest validate.
    """

    rows: GroupRows
    chosen: Sequence[int]
    num_training: int

    def lengths(self, indices: Sequence[int]) -> dict[int, int]:
        """Return the tokens of some pairs, by index."""
        return {index: self.rows.groups[index].num_tokens for index in indices}

    def logprobs(self, policy: nn.Module, indices: Sequence[int]) -> torch.Tensor:
        """Return the log-probabilities of the chosen and the rejected response of some pairs, (P, 2)."""
        sums_P2: torch.Tensor = policy(self.rows.of(indices)).view(len(indices), 2)
        chosen_P = torch.tensor([self.chosen[index] for index in indices], device=sums_P2.device)
        return torch.where(chosen_P[:, None] == 0, sums_P2, sums_P2.flip(1))


def reference_logprobs(
    policy: nn.Module, pairs: PreferencePairs, *, precision: Precision, advance: Callable[[int], None]
) -> torch.Tensor:
    """Return the log-probabilities of every pair under the policy as it is, (pairs, 2): chosen, rejected."""
    with evaluating(policy), autocast(pairs.rows.device, precision=precision):
        found = shared_out(
            lambda index: pairs.logprobs(policy, [index])[0].cpu(),
            tokens=pairs.lengths(range(len(pairs.chosen))),
            advance=advance,
        )
    return torch.stack(found).to(pairs.rows.device)


def margins_of(logprobs_P2: torch.Tensor, reference_P2: torch.Tensor) -> torch.Tensor:
    """Return the log-ratio margins, (P,), from (chosen, rejected) log-probabilities."""
    return log_ratio_margin(
        logprobs_P2[:, 0],
        logprobs_P2[:, 1],
        reference_chosen_B=reference_P2[:, 0],
        reference_rejected_B=reference_P2[:, 1],
    )


def train(policy: nn.Module, pairs: PreferencePairs, *, beta: float, schedule: Schedule, reports: Reports) -> FitResult:
    """Train `policy` in place; the pairs after the first `num_training` choose the weights that are kept."""
    reference_P2 = reference_logprobs(policy, pairs, precision=schedule.precision, advance=reports.advance)

    def margins(indices: Sequence[int]) -> torch.Tensor:
        return margins_of(pairs.logprobs(policy, indices), reference_P2[list(indices)])

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        return dpo_loss(margins(indices), beta=beta).sum()[None]

    def evaluate() -> Mapping[str, float]:
        validation = pairs.lengths(range(pairs.num_training, len(pairs.chosen)))
        with evaluating(policy), autocast(pairs.rows.device, precision=schedule.precision):
            found = shared_out(lambda index: margins([index])[0].cpu(), tokens=validation)
        return preference_metrics(torch.stack(found), beta=beta)

    objective = Objective(
        loss_of,
        evaluate,
        weights=torch.ones(pairs.num_training, 1),
        tokens=list(pairs.lengths(range(pairs.num_training)).values()),
    )
    return fit(policy, objective, schedule=schedule, reports=reports)


def preference_metrics(margins_B: torch.Tensor, *, beta: float) -> dict[str, float]:
    """Return the mean loss, the share of pairs with a margin above zero, and the mean margin in nats.

    A margin of exactly zero counts half: a policy that is still its reference prefers neither response.
    """
    return {
        "loss": dpo_loss(margins_B, beta=beta).mean().item(),
        "accuracy": (margins_B.sign() / 2 + 0.5).mean().item(),
        "margin": margins_B.mean().item(),
    }
