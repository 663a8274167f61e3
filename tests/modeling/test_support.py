"""Models that packing or decoding would compute wrongly are refused; the ones they compute rightly pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from steersman.errors import PluginError
from steersman.modeling import packing
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states, layers_of
from steersman.modeling.loading import load_policy
from steersman.modeling.sampling import decode_batch
from steersman.modeling.support import check_attention, check_logprobs, check_packing
from steersman.protocols import Sampling

SHAPE: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
LONGROPE: dict[str, Any] = {
    "rope_type": "longrope",
    "factor": 4.0,
    "short_factor": [1.0] * 4,
    "long_factor": [8.0] * 4,
    "original_max_position_embeddings": 8,
}
GROUP = Group((5, 6, 7), (ResponseTokens((8, 9, 10), 2), ResponseTokens((11, 12), 2)))


def made(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = kind(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(5)
    return model


def test_plain_decoders_are_supported() -> None:
    for model in (
        made(LlamaForCausalLM, LlamaConfig(**SHAPE)),
        made(Qwen2ForCausalLM, Qwen2Config(**SHAPE)),
        made(MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=None)),
    ):
        check_attention(model)
        check_packing(model, GROUP)
        check_logprobs(model, GROUP)


def test_a_sliding_window_is_refused() -> None:
    model = made(MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=4))
    with pytest.raises(PluginError, match="attends to the last 4 tokens only"):
        check_attention(model)


def test_layers_of_another_kind_are_refused() -> None:
    model = made(Gemma2ForCausalLM, Gemma2Config(**SHAPE, head_dim=8))
    with pytest.raises(PluginError, match="Gemma2ForCausalLM has layers of kind sliding_attention"):
        check_attention(model)


def test_attention_that_takes_no_boolean_mask_is_refused() -> None:
    model = made(LlamaForCausalLM, LlamaConfig(**SHAPE))
    model.set_attn_implementation("eager")
    with pytest.raises(PluginError, match="computes attention by 'eager'"):
        check_attention(model)
    # the refusal is for a reason: there a boolean mask is added instead of applied
    with pytest.raises(PluginError, match="other states for packed responses"):
        check_packing(model, GROUP)


@pytest.mark.parametrize("rope", [{"rope_type": "dynamic", "factor": 4.0}, LONGROPE], ids=["dynamic", "longrope"])
def test_positions_that_depend_on_the_longest_conversation_are_refused(rope: dict[str, Any]) -> None:
    # 8 tokens are read as trained, more make transformers turn the states of all tokens otherwise
    config = LlamaConfig(**SHAPE, max_position_embeddings=8, rope_parameters={"rope_theta": 1e4, **rope})
    model = made(LlamaForCausalLM, config)
    long = Group((5, 6, 7), (ResponseTokens(tuple(range(8, 40)), 32),))
    with torch.no_grad():
        alone = all_states(model, packing.pack([GROUP]))
        in_company = all_states(model, packing.pack([GROUP, long]))[: GROUP.num_tokens]
    assert (in_company - alone).norm() > 0.01 * alone.norm()
    with pytest.raises(PluginError, match=f"longest conversation \\(rope_type '{rope['rope_type']}'"):
        check_attention(model)


def test_positions_that_are_scaled_once_for_all_are_supported() -> None:
    rope = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
    check_attention(made(LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=rope)))


def test_a_pack_in_which_responses_see_each_other_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "visible", lambda query, key, **_: key <= query)
    with pytest.raises(PluginError, match="other states for packed responses"):
        check_packing(made(LlamaForCausalLM, LlamaConfig(**SHAPE)), GROUP)


def test_layers_that_our_functions_compute_otherwise_are_refused() -> None:
    model = made(LlamaForCausalLM, LlamaConfig(**SHAPE))
    # a layer of a known type whose formula is another, as remote code could bring
    for layer in layers_of(model):
        layer.register_forward_hook(lambda layer, _, states: states if "forward" in vars(layer) else 2 * states)
    with pytest.raises(PluginError, match="LlamaForCausalLM computes something else than our functions"):
        check_packing(model, GROUP)


def test_logits_that_are_scaled_after_the_output_layer_are_refused() -> None:
    model = made(GraniteForCausalLM, GraniteConfig(**SHAPE, logits_scaling=4.0))
    check_attention(model)
    check_packing(model, GROUP)
    with pytest.raises(PluginError, match="GraniteForCausalLM changes its logits"):
        check_logprobs(model, GROUP)


def test_decoding_refuses_attention_with_more_than_a_mask() -> None:
    model = made(Gemma2ForCausalLM, Gemma2Config(**SHAPE, head_dim=8))
    with pytest.raises(PluginError, match="Gemma2Attention uses s"):
        decode_batch(
            model,
            [[5, 6]],
            sampling=Sampling(0, 1, None, 2),
            end_tokens=[0],
            generator=torch.Generator(),
            on_step=lambda _: None,
        )


def test_a_model_is_checked_when_it_is_loaded(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = made(MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=4))
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny_model_folder / name).read_bytes())
    with pytest.raises(PluginError, match="attends to the last 4 tokens only"):
        load_policy(tmp_path, dtype=torch.float32, device=torch.device("cpu"))
