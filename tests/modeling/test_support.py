"""Models that packing or decoding would compute wrongly are refused; the ones they compute rightly pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GptOssConfig,
    GptOssForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
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
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
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


def decode_two(model: PreTrainedModel) -> list[list[int]]:
    return decode_batch(
        model,
        [[5, 6]],
        sampling=Sampling(0, 1, None, 2),
        end_tokens=[0],
        generator=torch.Generator(),
        on_step=lambda _: None,
    )


def test_plain_decoders_are_supported() -> None:
    for model in (
        made(LlamaForCausalLM, LlamaConfig(**SHAPE)),
        made(Qwen2ForCausalLM, Qwen2Config(**SHAPE)),
        made(MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=None)),
    ):
        check_attention(model)
        check_packing(model, GROUP)
        check_logprobs(model, GROUP)


GEMMA3: dict[str, Any] = {**SHAPE, "head_dim": 8, "sliding_window": 4}
OTHERS: dict[str, tuple[Callable[[], PreTrainedModel], str]] = {
    "soft caps": (
        lambda: Gemma2ForCausalLM(Gemma2Config(**SHAPE, head_dim=8)),
        "Gemma2ForCausalLM caps the scores of its attention; use a decoder",
    ),
    "chunks": (
        lambda: Llama4ForCausalLM(Llama4TextConfig(**SHAPE, head_dim=8, num_local_experts=1)),
        "Llama4ForCausalLM has layers of kind chunked_attention; use",
    ),
    "sinks": (
        lambda: GptOssForCausalLM(GptOssConfig(**SHAPE, head_dim=8, num_local_experts=2)),
        "GptOssForCausalLM adds sinks to its attention; use",
    ),
    "both directions": (
        lambda: Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA3, use_bidirectional_attention=True)),
        "Gemma3ForCausalLM attends to later tokens, too; use",
    ),
    "state space": (
        lambda: Lfm2ForCausalLM(Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"])),
        "Lfm2ForCausalLM has layers of kind conv; use",
    ),
    "images": (
        lambda: Gemma3ForConditionalGeneration(Gemma3Config(text_config=GEMMA3, vision_config=VISION)),
        "Gemma3ForConditionalGeneration reads more than text, and that in sliding windows; use",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_our_attention_would_leave_out_is_refused(name: str) -> None:
    make, message = OTHERS[name]
    with pytest.raises(PluginError, match=message):
        check_attention(make())


def test_a_window_that_attention_is_not_told_of_is_refused() -> None:
    experts: dict[str, Any] = {"num_experts": 2, "num_experts_per_tok": 1}
    config = Qwen2MoeConfig(**SHAPE, **experts, use_sliding_window=True, sliding_window=4, max_window_layers=1)
    model = made(Qwen2MoeForCausalLM, config)
    assert "sliding_attention" in model.config.layer_types
    with pytest.raises(PluginError, match="Qwen2MoeAttention does not tell its attention of its sliding window"):
        check_packing(model, GROUP)
    with pytest.raises(PluginError, match="Qwen2MoeAttention does not tell its attention of its sliding window"):
        decode_two(model)


def test_layers_of_mistral_are_alike_whatever_its_config_says_of_them() -> None:
    kinds: dict[str, Any] = {"layer_types": ["full_attention", "sliding_attention"]}
    model = made(MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=3, **kinds))
    check_attention(model)
    check_packing(model, GROUP)


def test_attention_that_takes_no_boolean_mask_is_refused() -> None:
    model = made(LlamaForCausalLM, LlamaConfig(**SHAPE))
    model.set_attn_implementation("eager")
    with pytest.raises(PluginError, match="computes attention by 'eager'"):
        check_attention(model)
    # the refusal is for a reason: there a boolean mask is added instead of applied
    with pytest.raises(PluginError, match="other states for packed responses"):
        check_packing(model, GROUP)


def test_such_positions_of_one_kind_of_layer_are_refused() -> None:
    ropes = {"full_attention": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}}
    model = made(Gemma3ForCausalLM, Gemma3TextConfig(**GEMMA3, rope_parameters=ropes))
    with pytest.raises(PluginError, match=r"longest conversation \(rope_type 'dynamic'"):
        check_attention(model)


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
    with pytest.raises(PluginError, match="Gemma2Attention uses softcap"):
        decode_two(model)


def test_a_model_is_checked_when_it_is_loaded(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = made(Gemma2ForCausalLM, Gemma2Config(**SHAPE, head_dim=8))
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny_model_folder / name).read_bytes())
    with pytest.raises(PluginError, match="caps the scores of its attention"):
        load_policy(tmp_path, dtype=torch.float32, device=torch.device("cpu"))
