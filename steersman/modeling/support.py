"""Refuse models that our packed forward pass and our decoding would compute wrongly.

Both hand the attention layers a mask of their own. That is right where every layer attends to all earlier tokens, or to
the last ones of them, through PyTorch's scaled dot-product attention, and silently wrong elsewhere; hence these checks
before any result.
"""

from collections.abc import Mapping

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from steersman.errors import PluginError
from steersman.modeling.chat import Group
from steersman.modeling.encoder import is_encoder
from steersman.modeling.layers import all_states, frozen_states
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packing import pack
from steersman.modeling.windows import FULL, SLIDING, has_windows

_STATES_TOLERANCE = 1e-3
_LOGPROB_TOLERANCE = 1e-3
# angles of positions that depend on the longest conversation of a row: a score would depend on its company
_ROPES_OF_THE_LONGEST = ("dynamic", "longrope")
_SUPPORTED = (
    "use a decoder whose layers attend to all earlier tokens or to a window of them, such as Llama, Qwen, Mistral,"
    " Gemma 3 or SmolLM"
)


def check_attention(model: PreTrainedModel) -> None:
    """Raise PluginError unless every layer attends to earlier tokens, all or the last, by scaled dot-product attention.

    Positions must mean the same whatever else is in a row.
    """
    name, config = type(model).__name__, model.config.get_text_config()
    fault = _other_attention(model, config)
    if fault is not None:
        raise PluginError(f"{name} {fault}; {_SUPPORTED}")
    for rope in _rope_types(config):
        if rope in _ROPES_OF_THE_LONGEST:
            raise PluginError(
                f"{name} turns its states by the length of the longest conversation (rope_type {rope!r}), so that a"
                f" score would depend on what shares its row; {_SUPPORTED}"
            )


def _other_attention(model: PreTrainedModel, config: PreTrainedConfig) -> str | None:
    """Return what `model` does that we would leave out, None where there is nothing; `config` is its text model's."""
    others = {*(getattr(config, "layer_types", None) or ())} - {FULL, SLIDING}
    way = model.config._attn_implementation
    faults = {
        f"has layers of kind {min(others, default=None)}": bool(others),
        "caps the scores of its attention": getattr(config, "attn_logit_softcapping", None) is not None,
        "attends to later tokens, too": bool(getattr(config, "use_bidirectional_attention", None)),
        "adds sinks to its attention": any(hasattr(module, "sinks") for module in model.modules()),
        "reads more than text, and that in sliding windows": config is not model.config and has_windows(config),
        f"computes attention by {way!r}": way != "sdpa",
    }
    return next((fault for fault, is_there in faults.items() if is_there), None)


def _rope_types(config: PreTrainedConfig) -> list[object]:
    # some models have an entry for each kind of layer
    ropes = getattr(config, "rope_parameters", None) or {}
    return [each.get("rope_type") for each in (ropes, *ropes.values()) if isinstance(each, Mapping)]


@torch.no_grad()
def check_packing(model: PreTrainedModel, group: Group) -> None:
    """Raise PluginError unless a packed group has the hidden states its conversations have on their own.

    That is checked under a dense mask and by the functions that training uses. Give a short group: it is run twice
    packed and once for each response, and weights should be float32.
    """
    if is_encoder(model.config):
        return
    packed = pack([group]).to(model.device)
    states_TD = all_states(model, packed).float()
    span = packed.spans[0]
    for response, start, end in zip(group.responses, span.starts, span.ends, strict=True):
        ids = torch.tensor([[*group.prefix, *response.ids]], device=model.device)
        alone_TD = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0].float()
        together_TD = torch.cat([states_TD[: span.prefix_end], states_TD[start:end]])
        gap = ((together_TD - alone_TD).norm() / alone_TD.norm()).item()
        if not gap < _STATES_TOLERANCE:
            raise PluginError(
                f"{type(model).__name__} computes other states for packed responses than for responses alone (they"
                f" differ by {gap:.2g}); {_SUPPORTED}"
            )
    gap = ((frozen_states(model, packed).float() - states_TD).norm() / states_TD.norm()).item()
    if not gap < _STATES_TOLERANCE:
        raise PluginError(
            f"{type(model).__name__} computes something else than our functions for its layers (the states differ by"
            f" {gap:.2g}); {_SUPPORTED}"
        )


@torch.no_grad()
def check_logprobs(model: PreTrainedModel, group: Group) -> None:
    """Raise PluginError unless a response's log-probability is the one the model's own forward pass gives."""
    packed = pack([group]).to(model.device)
    ours_N = response_logprobs(model, all_states(model, packed), packed)
    for response, ours in zip(group.responses, ours_N.tolist(), strict=True):
        ids = torch.tensor([*group.prefix, *response.ids[: response.num_scored]], device=model.device)
        logits_TV = model(input_ids=ids[None], use_cache=False).logits[0].float()
        first = len(group.prefix) + response.num_prompt
        plain = -torch.nn.functional.cross_entropy(logits_TV[first - 1 : -1], ids[first:], reduction="sum").item()
        if not abs(ours - plain) <= _LOGPROB_TOLERANCE * max(1.0, abs(plain)):
            raise PluginError(
                f"{type(model).__name__} changes its logits after the output layer (log-probability {plain:.4g}, and"
                f" {ours:.4g} without that), which is not supported; use another model"
            )
