"""Gradient checkpointing: the layers of a model are computed once more in the backward pass instead of remembered.

transformers' own switch works in training mode only, with dropout, and knows nothing of the leaner layers of
`modeling.fused`; hence a few lines of ours around whatever a layer's forward is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from steersman.errors import PluginError


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Let the layers of `model` forget their inner activations until the backward pass, which must be inside too.

    The last layer is left alone: its backward pass comes first, so what it would forget is needed at once. Raises
    PluginError for a model without such layers.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise PluginError("the model has no layers that can be recomputed; set engine.checkpointing to false")
    before = {layer: vars(layer).get("forward") for layer in layers[:-1]}
    for layer in before:
        layer.forward = partial(_recomputed, layer.forward)
    try:
        yield
    finally:
        for layer, forward in before.items():
            del layer.forward
            if forward is not None:
                layer.forward = forward


def _recomputed(forward: Callable[..., torch.Tensor], *args: object, **given: object) -> object:
    if not torch.is_grad_enabled():
        return forward(*args, **given)
    return checkpoint(partial(forward, **given), *args, use_reentrant=False)
