"""Hidden states of training groups: from cached lower activations, or through the whole model."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from steersman.modeling.activations import read_lower
from steersman.modeling.chat import Group
from steersman.modeling.layers import all_states, upper_states
from steersman.modeling.packing import Packed, pack
from steersman.modeling.precision import Precision
from steersman.protocols import ArrayStore


def autocast(device: torch.device, *, precision: Precision) -> AbstractContextManager[None]:
    """Return a context in which matrix products run in `precision` while weights stay as they are."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@dataclass(frozen=True, slots=True)
class TrainingStates:
    """Gives the states of group i, with gradients where they are enabled.

    `keys` are the cache keys of the groups' lower activations, unused when `num_lower` is 0.
    """

    model: PreTrainedModel
    groups: Sequence[Group]
    keys: Sequence[str]
    num_lower: int
    store: ArrayStore
    precision: Precision

    def of(self, index: int) -> tuple[Packed, torch.Tensor]:
        """Return group `index` packed and its normed hidden states, (T, D) float32."""
        device = self.model.device
        packed = pack(self.groups[index]).to(device)
        with autocast(device, precision=self.precision):
            if self.num_lower == 0:
                return packed, all_states(self.model, packed).float()
            lower_TD = read_lower(self.store, self.keys[index]).to(device)
            return packed, upper_states(self.model, lower_TD, packed, num_lower=self.num_lower).float()
