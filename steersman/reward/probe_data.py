"""What a head of a frozen model is fitted to, and how prompts are left out of it.

Shapes: B responses, D hidden size, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from steersman.modeling.chat import Group
from steersman.reward.terms import RatedGroup, Targets, targets_of

NUM_FOLDS = 5
_LEAST_PROMPTS = 2 * NUM_FOLDS
_FOLD_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class ProbeData:
    """What a head is fitted to: states of `responses` and of the `prompts` before them, (B, D), and their targets.

    `units` (B,) number what is left out together: the rows of one prompt.
    """

    responses: torch.Tensor
    prompts: torch.Tensor
    targets: Targets
    units: torch.Tensor

    def rows(self, is_in_B: torch.Tensor) -> "ProbeData":
        """Return the responses that are in, with the preferences between them."""
        numbers = is_in_B.cumsum(dim=0) - 1
        old = self.targets
        is_kept = is_in_B[old.firsts] & is_in_B[old.seconds]
        targets = Targets(
            old.labels[is_in_B],
            old.weights[is_in_B],
            numbers[old.firsts[is_kept]],
            numbers[old.seconds[is_kept]],
            old.strengths[is_kept],
        )
        return ProbeData(self.responses[is_in_B], self.prompts[is_in_B], targets, self.units[is_in_B])


def probe_data(groups: Sequence[RatedGroup], responses_BD: torch.Tensor, prompts_BD: torch.Tensor) -> ProbeData:
    """Return the data of `groups`, whose states are given in order.

    Groups of one prompt are one unit, but where there are too few prompts to leave some out, each group is its own.
    """
    known: dict[tuple[int, ...], int] = {}
    numbers = [known.setdefault(_prompt(each.group), len(known)) for each in groups]
    if len(known) < _LEAST_PROMPTS:
        numbers = list(range(len(groups)))
    units = [number for number, each in zip(numbers, groups, strict=True) for _ in range(len(each.labels))]
    return ProbeData(responses_BD, prompts_BD, targets_of(groups), torch.tensor(units))


def _prompt(group: Group) -> tuple[int, ...]:
    first = group.responses[0]
    return group.prefix + first.ids[: first.num_prompt]


def folds(units_B: torch.Tensor) -> list[torch.Tensor]:
    """Return which rows are left out in each fold, (B,) bool, a prompt's rows together; by a fixed order of prompts."""
    units, places_B = units_B.unique(return_inverse=True)
    order = np.random.default_rng(_FOLD_SEED).permutation(len(units))
    folds = torch.from_numpy(order)[places_B] % NUM_FOLDS
    return [folds == fold for fold in range(min(NUM_FOLDS, len(units)))]
