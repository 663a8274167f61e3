"""Training groups as rows: packed tokens, and the cached activations of the frozen lower layers where there are any."""

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
    """Return a context in which matrix products run in `precision` while weights stay as they are.

    Weights that are trained are cast once for as long as it lasts, so let one context span the micro-batches of a step.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@dataclass(frozen=True, slots=True)
class Row:
    """A row for a model: packed groups and, (T, D), the activations below the layers that move, or None."""

    packed: Packed
    lower: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class GroupRows:
    """Makes rows of groups; `keys` are the cache keys of their lower activations, empty when no layer is cached."""

    groups: Sequence[Group]
    keys: Sequence[str]
    store: ArrayStore
    device: torch.device

    def of(self, indices: Sequence[int]) -> Row:
        """Return the groups at `indices` as one row, in that order."""
        packed = pack([self.groups[index] for index in indices]).to(self.device)
        if not self.keys:
            return Row(packed, None)
        lower = [read_lower(self.store, self.keys[index]) for index in indices]
        return Row(packed, torch.cat(lower).to(self.device))


def states_of(model: PreTrainedModel, row: Row, *, num_lower: int, places: torch.Tensor | None = None) -> torch.Tensor:
    """Return the normed hidden states of a row, (T, D) float32, from its lower activations where it has them.

    With `places`, (P,), those of the tokens there alone, (P, D): the last layer then computes no others.
    """
    if row.lower is None:
        return all_states(model, row.packed, places=places).float()
    return upper_states(model, row.lower, row.packed, num_lower=num_lower, places=places).float()
