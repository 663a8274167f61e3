"""The states that a head reads of a model that stays as it is: computed once per group, and kept by content.

They are computed as scoring computes them, so that a head fitted to them scores as it was fitted.
Shapes: N responses of a group, B responses of all groups, D hidden size.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from transformers import PreTrainedModel

from steersman.engine.batching import micro_batches
from steersman.modeling.chat import Group
from steersman.modeling.evaluating import evaluating
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision
from steersman.modeling.rows import Row, autocast
from steersman.protocols import ArrayStore
from steersman.reward.model import states_read
from steersman.reward.spec import Pooling


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """What decides the features of a group besides its tokens; `num_layers` None are all layers of the model."""

    model_sha256: str
    num_layers: int | None
    pooling: Pooling
    precision: Precision

    def key(self, group: Group) -> str:
        """Return the key that the features of `group` are kept under."""
        tokens = [(each.ids, each.num_scored, each.num_prompt) for each in group.responses]
        software = f"torch {torch.__version__} transformers {transformers.__version__}"
        identity = (self.model_sha256, self.num_layers, self.pooling, self.precision, software, group.prefix, tokens)
        return hashlib.sha256(f"features {identity!r}".encode()).hexdigest()


def cache_features(
    load: Callable[[], PreTrainedModel],
    groups: Sequence[Group],
    *,
    space: FeatureSpace,
    store: ArrayStore,
    row_tokens: int,
    advance: Callable[[int], None],
) -> None:
    """Compute and keep the features of every group that `store` lacks, in rows of `row_tokens`.

    The model is loaded only when something is missing; `advance` counts tokens.
    """
    missing = [number for number, group in enumerate(groups) if store.get(space.key(group)) is None]
    lengths = [group.num_tokens for group in groups]
    advance(sum(lengths) - sum(lengths[number] for number in missing))
    if not missing:
        return
    model = load()
    with evaluating(model), packed_attention(model), autocast(model.device, precision=space.precision):
        for numbers in micro_batches(missing, tokens=lengths, budget=row_tokens):
            _compute(model, [groups[number] for number in numbers], space=space, store=store)
            advance(sum(lengths[number] for number in numbers))


def _compute(model: PreTrainedModel, groups: Sequence[Group], *, space: FeatureSpace, store: ArrayStore) -> None:
    packed = pack(groups).to(model.device)
    both_2ND = torch.stack(states_read(model, Row(packed, None), pooling=space.pooling)).cpu()
    parts = both_2ND.split([len(group.responses) for group in groups], dim=1)
    for group, part in zip(groups, parts, strict=True):
        store.put(space.key(group), part.numpy())


def read_features(
    groups: Sequence[Group], *, space: FeatureSpace, store: ArrayStore
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the state read of each response and the last one of the prompt before it, (B, D) float32 each.

    Raises KeyError for a group whose features are not kept.
    """
    found = []
    for group in groups:
        kept = store.get(space.key(group))
        if kept is None:
            raise KeyError(space.key(group))
        found.append(kept.astype(np.float32))
    responses, prompts = torch.from_numpy(np.concatenate(found, axis=1))
    return responses, prompts
