"""Run the decoder layers of Llama, Mistral and Qwen by leaner functions of the same weights, within a context.

What a layer computes is transformers' own formula, and its linear maps (adapters among them) are called as they are.
The last layer can be asked for a few tokens only: all but keys and values is then computed at those alone. Layers of
other types stay as they are. Shapes: T packed tokens, D hidden size, H query heads, K key-value heads, W width of a
head, P tokens that are read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard, cast

from torch import Tensor, nn
from transformers.activations import SiLUActivation
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer, LlamaMLP, LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralAttention, MistralDecoderLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from steersman.modeling.device_attention import attend_at, attend_within
from steersman.modeling.kernels import PLAIN, Kernels, gated, gated_linear, rms_norm, rotary
from steersman.modeling.packing import Packed

_TYPES = (LlamaDecoderLayer, MistralDecoderLayer, Qwen2DecoderLayer, Qwen3DecoderLayer)


@contextmanager
def leaner_layers(layers: nn.ModuleList, *, kernels: Kernels = PLAIN) -> Iterator[None]:
    """Let those of `layers` whose formula is known run by `kernels`; they then take the keyword `packed`.

    Inside, the last one also takes `places`, (P,) long, and then returns the states of those tokens only.
    """
    known = [layer for layer in layers if _is_known(layer)]
    before = [vars(layer).get("forward") for layer in known]
    for layer in known:
        run = _last_layer if layer is layers[-1] else _lower_layer
        vars(layer)["forward"] = partial(run, layer, kernels=kernels)
    try:
        yield
    finally:
        for layer, forward in zip(known, before, strict=True):
            del vars(layer)["forward"]
            if forward is not None:
                vars(layer)["forward"] = forward


def takes_places(layer: nn.Module) -> bool:
    """Whether `layer` is one that just now takes `places`."""
    forward = vars(layer).get("forward")
    return isinstance(forward, partial) and forward.func is _last_layer


def _is_known(layer: nn.Module) -> TypeGuard[LlamaDecoderLayer]:
    # the others have the same members, so Llama's type stands for all
    return isinstance(layer, _TYPES) and isinstance(layer.mlp.act_fn, (SiLUActivation, nn.SiLU))


def _lower_layer(
    layer: LlamaDecoderLayer,
    hidden_states: Tensor,
    *,
    places: Tensor | None = None,
    **given: Any,  # noqa: ANN401
) -> Tensor:
    # the layers above it need all tokens
    del places
    return _last_layer(layer, hidden_states, places=None, **given)


def _last_layer(
    layer: LlamaDecoderLayer,
    hidden_states: Tensor,
    *,
    position_embeddings: tuple[Tensor, Tensor],
    packed: Packed,
    kernels: Kernels,
    places: Tensor | None = None,
    **unused: object,
) -> Tensor:
    """Return the states after `layer`, (1, T, D) or (1, P, D), of those before it, (1, T, D)."""
    del unused  # transformers' mask and cache
    normed = _normed(hidden_states, layer.input_layernorm, kernels=kernels)
    attended = _attention(
        layer.self_attn, normed, rotations=position_embeddings, packed=packed, kernels=kernels, places=places
    )
    hidden_states = (hidden_states if places is None else hidden_states[:, places]) + attended
    normed = _normed(hidden_states, layer.post_attention_layernorm, kernels=kernels)
    return hidden_states + _feed_forward(layer.mlp, normed, kernels=kernels)


def _attention(
    attention: LlamaAttention,
    normed: Tensor,
    *,
    rotations: tuple[Tensor, Tensor],
    packed: Packed,
    kernels: Kernels,
    places: Tensor | None,
) -> Tensor:
    """Return what attention adds to the hidden states, (1, T, D) or (1, P, D)."""
    # both halves of a head are turned by the same angles
    half = rotations[0].shape[-1] // 2
    cosines, sines = (each[:, :, None, :half] for each in rotations)

    def heads(states: Tensor, name: str, at: Tensor | slice) -> Tensor:
        found = getattr(attention, f"{name}_proj")(states).unflatten(-1, (-1, attention.head_dim))
        norm = getattr(attention, f"{name}_norm", None)
        found = found if norm is None else _normed(found, norm, kernels=kernels)
        return found if name == "v" else rotary(found, cosines[:, at], sines[:, at], kernels=kernels)

    everywhere, window = slice(None), _window_of(attention)
    key, value = (heads(normed, name, everywhere).transpose(1, 2) for name in ("k", "v"))
    if places is None:
        query = heads(normed, "q", everywhere).transpose(1, 2)
        outputs = attend_within(query, key, value, packed=packed, scaling=attention.scaling, window=window)
    else:
        query = heads(normed[:, places], "q", places).transpose(1, 2)
        seen_PT = packed.seen_from(places, window=window)
        outputs = attend_at(query, key, value, seen_PT=seen_PT, scaling=attention.scaling)
    added: Tensor = attention.o_proj(outputs.transpose(1, 2).flatten(2))
    return added


def _window_of(attention: nn.Module) -> int | None:
    # Qwen has it where the layer is of that kind, Mistral reads its config, and Llama knows none
    holder = attention.config if isinstance(attention, MistralAttention) else attention
    return cast("int | None", getattr(holder, "sliding_window", None))


def _feed_forward(mlp: LlamaMLP, normed: Tensor, *, kernels: Kernels) -> Tensor:
    gate, up = mlp.gate_proj(normed), mlp.up_proj(normed)
    down = mlp.down_proj
    if type(down) is nn.Linear and down.bias is None:
        return gated_linear(gate, up, down.weight, kernels=kernels)
    # an adapter, or a bias
    added: Tensor = down(gated(gate, up, kernels=kernels))
    return added


def _normed(states: Tensor, norm: LlamaRMSNorm, *, kernels: Kernels) -> Tensor:
    return rms_norm(states, norm.weight, epsilon=norm.variance_epsilon, kernels=kernels)
