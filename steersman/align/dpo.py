"""Direct preference optimisation: raise the chosen response against the rejected one, relative to the start.

A pair is a group of two responses in the order they came, so that its cached activations are those of the reward
model's training. The reference is the policy before the first step; its log-probabilities are computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from steersman.align.losses import dpo_loss, log_ratio_margin
from steersman.engine.fit import FitResult, Objective, Schedule, fit
from steersman.modeling.evaluating import evaluating
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.states import TrainingStates, autocast


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """Pairs under a model; `chosen` says which response of each group won, 0 or 1.

    The first `num_training` are trained on, the rest validate.
    """

    states: TrainingStates
    chosen: Sequence[int]
    num_training: int

    def logprobs(self, index: int) -> torch.Tensor:
        """Return the log-probabilities of the chosen and the rejected response of pair `index`, (2,)."""
        packed, states_TD = self.states.of(index)
        with autocast(states_TD.device, precision=self.states.precision):
            sums = response_logprobs(self.states.model, states_TD, packed)
        return sums if self.chosen[index] == 0 else sums.flip(0)


def reference_logprobs(pairs: PreferencePairs, *, advance: Callable[[int], None]) -> list[torch.Tensor]:
    """Return the log-probabilities of every pair under the model as it is, each (2,): chosen, rejected."""
    found = []
    with evaluating(pairs.states.model):
        for index in range(len(pairs.chosen)):
            found.append(pairs.logprobs(index))
            advance(1)
    return found


def margin_of(logprobs_2: torch.Tensor, reference_2: torch.Tensor) -> torch.Tensor:
    """Return the log-ratio margin of one pair, (1,), from (chosen, rejected) log-probabilities."""
    return log_ratio_margin(
        logprobs_2[:1], logprobs_2[1:], reference_chosen_B=reference_2[:1], reference_rejected_B=reference_2[1:]
    )


def train(
    pairs: PreferencePairs,
    *,
    beta: float,
    schedule: Schedule,
    on_metrics: Callable[[Mapping[str, float]], None],
    advance: Callable[[int], None],
) -> FitResult:
    """Train the pairs' model in place; the pairs after the first `num_training` choose the weights that are kept."""
    model = pairs.states.model
    reference = reference_logprobs(pairs, advance=advance)

    def loss_of(index: int) -> torch.Tensor:
        return dpo_loss(margin_of(pairs.logprobs(index), reference[index]), beta=beta).sum()

    def evaluate() -> Mapping[str, float]:
        validation = range(pairs.num_training, len(pairs.chosen))
        with evaluating(model):
            margins = [margin_of(pairs.logprobs(index), reference[index]) for index in validation]
        return preference_metrics(torch.cat(margins).cpu(), beta=beta)

    objective = Objective(
        loss_of,
        evaluate,
        weights=[1.0] * pairs.num_training,
        tokens=[group.num_tokens for group in pairs.states.groups[: pairs.num_training]],
    )
    return fit(model, objective, schedule=schedule, on_metrics=on_metrics, advance=advance)


def preference_metrics(margins_B: torch.Tensor, *, beta: float) -> dict[str, float]:
    """Return the mean loss, the share of pairs with a margin above zero, and the mean margin in nats.

    A margin of exactly zero counts half: a policy that is still its reference prefers neither response.
    """
    return {
        "loss": dpo_loss(margins_B, beta=beta).mean().item(),
        "accuracy": (margins_B.sign() / 2 + 0.5).mean().item(),
        "margin": margins_B.mean().item(),
    }
