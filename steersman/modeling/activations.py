"""Cache the frozen lower part of a model: hidden states of packed groups, kept as bfloat16 bits by content.

The key holds the model's hash, the split, the number format, the token ids and the software that computes, so that
training runs of different objectives, seeds and heads share what they have in common and nothing else.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
import transformers
from transformers import PreTrainedModel

from steersman.modeling.chat import Group
from steersman.modeling.layers import lower_states
from steersman.modeling.packing import pack
from steersman.protocols import ArrayStore


def activation_key(group: Group, *, model_sha256: str, num_lower: int, precision: str) -> str:
    """Return the key of a group's lower activations."""
    ids = repr((group.prefix, [response.ids for response in group.responses]))
    software = f"torch {torch.__version__} transformers {transformers.__version__}"
    text = f"lower {model_sha256} {num_lower} {precision} {software} {ids}"
    return hashlib.sha256(text.encode()).hexdigest()


def cache_lower(
    load: Callable[[], PreTrainedModel],
    groups: Sequence[Group],
    *,
    keys: Sequence[str],
    num_lower: int,
    store: ArrayStore,
    advance: Callable[[int], None],
) -> None:
    """Compute and keep the lower activations of every group that `store` lacks; `advance` counts tokens.

    The model is loaded only when something is missing.
    """
    model: PreTrainedModel | None = None
    for group, key in zip(groups, keys, strict=True):
        if store.get(key) is None:
            model = load() if model is None else model
            with torch.inference_mode():
                states_TD = lower_states(model, pack([group]).to(model.device), num_lower=num_lower)
            store.put(key, _bits(states_TD))
        advance(group.num_tokens)


def read_lower(store: ArrayStore, key: str) -> torch.Tensor:
    """Return cached activations, (T, D) float32; raises KeyError when they are not there."""
    bits = store.get(key)
    if bits is None:
        raise KeyError(key)
    return torch.from_numpy(bits.view(np.int16).copy()).view(torch.bfloat16).float()


def _bits(states_TD: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return states_TD.detach().cpu().to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
