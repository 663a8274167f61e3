"""Direct preference optimisation: raise the chosen response against the rejected one, relative to the start.

A pair is a group of two responses, the chosen first. The reference is the policy before the first step; its
log-probabilities are computed once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from steersman.align.losses import dpo_loss, log_ratio_margin
from steersman.engine.fit import FitResult, Objective, Schedule, fit
from steersman.modeling.evaluating import evaluating
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.states import TrainingStates, autocast


@dataclass(frozen=True, slots=True)
class PairSplit:
    """How many of the groups are for training; the rest validate."""

    num_training: int
    num_validation: int


def pair_logprobs(states: TrainingStates, index: int) -> torch.Tensor:
    """Return the log-probabilities of the chosen and the rejected response of pair `index`, (2,)."""
    packed, states_TD = states.of(index)
    with autocast(states_TD.device, precision=states.precision):
        return response_logprobs(states.model, states_TD, packed)


def reference_logprobs(states: TrainingStates, *, count: int, advance: Callable[[int], None]) -> list[torch.Tensor]:
    """Return the log-probabilities of the first `count` pairs under the model as it is, each (2,)."""
    found = []
    with evaluating(states.model):
        for index in range(count):
            found.append(pair_logprobs(states, index))
            advance(1)
    return found


def margin_of(logprobs_2: torch.Tensor, reference_2: torch.Tensor) -> torch.Tensor:
    """Return the log-ratio margin of one pair, (1,), from (chosen, rejected) log-probabilities."""
    return log_ratio_margin(
        logprobs_2[:1], logprobs_2[1:], reference_chosen_B=reference_2[:1], reference_rejected_B=reference_2[1:]
    )


def train(
    states: TrainingStates,
    split: PairSplit,
    *,
    beta: float,
    schedule: Schedule,
    on_metrics: Callable[[Mapping[str, float]], None],
    advance: Callable[[int], None],
) -> FitResult:
    """Train `states.model` in place on the first `split.num_training` groups of `states`."""
    model: PreTrainedModel = states.model
    reference = reference_logprobs(states, count=split.num_training + split.num_validation, advance=advance)

    def loss_of(index: int) -> torch.Tensor:
        return dpo_loss(margin_of(pair_logprobs(states, index), reference[index]), beta=beta).sum()

    def evaluate() -> Mapping[str, float]:
        validation = range(split.num_training, split.num_training + split.num_validation)
        with evaluating(model):
            margins = [margin_of(pair_logprobs(states, index), reference[index]) for index in validation]
        return preference_metrics(torch.cat(margins).cpu(), beta=beta)

    objective = Objective(
        loss_of,
        evaluate,
        weights=[1.0] * split.num_training,
        tokens=[group.num_tokens for group in states.groups[: split.num_training]],
    )
    return fit(model, objective, schedule=schedule, on_metrics=on_metrics, advance=advance)


def preference_metrics(margins_B: torch.Tensor, *, beta: float) -> dict[str, float]:
    """Return the mean loss, the share of pairs with a margin above zero, and the mean margin in nats."""
    return {
        "loss": dpo_loss(margins_B, beta=beta).mean().item(),
        "accuracy": (margins_B > 0).float().mean().item(),
        "margin": margins_B.mean().item(),
    }
