"""Which layers of a decoder see the last tokens only (a sliding window), as transformers reads it from the config."""

from collections.abc import Sequence
from typing import cast

import torch
from transformers import PreTrainedConfig

from steersman.modeling.packing import Packed

FULL, SLIDING = "full_attention", "sliding_attention"


def layer_kinds(config: PreTrainedConfig) -> Sequence[str] | None:
    """Return the kind of attention of each layer, None where all are of one kind that the window decides."""
    # Mistral's layers are all alike whatever its config says of them, as transformers warns
    if config.model_type == "mistral":
        return None
    return cast("Sequence[str] | None", getattr(config, "layer_types", None))


def window_of(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a layer with a window sees, its own among them, None where there is no such layer."""
    kinds, window = layer_kinds(config), getattr(config, "sliding_window", None)
    return window if kinds is None or SLIDING in kinds else None


def has_windows(config: PreTrainedConfig) -> bool:
    """Whether some layer has a window."""
    return window_of(config) is not None


def dense_masks(config: PreTrainedConfig, packed: Packed) -> torch.Tensor | dict[str, torch.Tensor]:
    """Return the mask, (1, 1, T, T), that the decoder of `config` needs for a row: one for each kind of layer if mixed.

    Decoders whose layers are of several kinds take such a mapping, as transformers makes it for itself.
    """
    kinds, window = set(layer_kinds(config) or ()), window_of(config)
    if len(kinds) < 2:
        return packed.mask_within(window)
    return {kind: packed.mask_within(window if kind == SLIDING else None) for kind in sorted(kinds)}
