"""The estimate against real models: weights counted, bytes of a real step, operations counted by PyTorch."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from steersman.config.estimating import EstimateSettings
from steersman.config.sections import OptimiserSettings, TuneSettings
from steersman.engine.batching import num_steps
from steersman.engine.duration import TokenCounts, duration, exchanged_bytes, forward_operations, training_operations
from steersman.engine.estimate import TrainingPlan, activation_bytes, layer_activation_bytes, memory, parameters
from steersman.engine.model_shape import ModelShape
from steersman.engine.step import make_optimiser
from steersman.errors import PluginError
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.loading import load_backbone, load_policy
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision
from steersman.modeling.rows import Row, autocast
from steersman.modeling.tuning import make_trainable
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec

CPU = torch.device("cpu")
# any: they are keywords of transformers' configs
SMALL: dict[str, Any] = {
    "vocab_size": 101,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# the attributes of a reward model in these tests
NAMES = ("helpfulness", "correctness", "coherence")
SPEC = RewardSpec("linear", NAMES, {})


def saved(config: PreTrainedConfig, folder: Path) -> dict[str, object]:
    """Return the settings of a model as its config.json has them."""
    config.save_pretrained(folder)
    values: dict[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return values


def tiny_shape(folder: Path) -> ModelShape:
    return ModelShape.from_config(json.loads((folder / "config.json").read_text(encoding="utf-8")), source="tiny")


def plan(shape: ModelShape, **changes: object) -> TrainingPlan:
    settings: dict[str, object] = {
        "shape": shape,
        "head": len(NAMES) * shape.hidden,
        "tune": TuneSettings(mode="full"),
        "precision": "float32",
        "checkpointing": False,
        "strategy": "ddp",
        "devices": 1,
        "row_tokens": 1,
        "reads": "ends",
        **changes,
    }
    return TrainingPlan(**settings)  # type: ignore[arg-type]  # keywords of one test differ from those of another


def reward_model(folder: Path, *, tune: TuneSettings) -> tuple[RewardModel, torch.nn.Module]:
    """Return a reward model and the module that holds all weights, adapters among them."""
    backbone = load_backbone(folder, dtype=torch.float32, device=CPU)
    with_adapters = make_trainable(backbone, tune=tune)
    model = RewardModel(backbone, Head(backbone.config.hidden_size, spec=SPEC), spec=SPEC)
    return model, torch.nn.ModuleList([with_adapters, model.head])


def group(prefix: int, *responses: int) -> Group:
    """Return a group of tokens of these lengths."""
    return Group((1,) * prefix, tuple(ResponseTokens((2,) * length, length) for length in responses))


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SMALL),
        LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        MistralConfig(**SMALL, head_dim=16),
        Qwen2Config(**SMALL),
        Qwen2Config(**SMALL, tie_word_embeddings=True),
        Qwen3Config(**SMALL, head_dim=20),
        Gemma3TextConfig(**SMALL, head_dim=16),
        GraniteConfig(**SMALL, attention_bias=True),
        SmolLM3Config(**SMALL, pad_token_id=0, bos_token_id=1, eos_token_id=2),
    ],
    ids=lambda config: type(config).__name__,
)
def test_the_weights_of_two_layers_are_counted_as_transformers_makes_them(
    config: PreTrainedConfig, tmp_path: Path
) -> None:
    shape = ModelShape.from_config(saved(config, tmp_path), source="small")
    model = AutoModelForCausalLM.from_config(config)
    assert shape.policy_parameters == sum(each.numel() for each in model.parameters())
    assert shape.backbone_parameters == sum(each.numel() for each in model.base_model.parameters())


def test_a_family_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match=r"x/config\.json: the shape of model_type 'mamba' is not known"):
        ModelShape.from_config({**SMALL, "model_type": "mamba"}, source="x/config.json")


@pytest.mark.parametrize("size", [None, 0, "48", True])
def test_a_size_that_is_none_is_refused_with_its_key(size: object) -> None:
    with pytest.raises(PluginError, match="x: hidden_size must be a whole number above 0"):
        ModelShape.from_config({**SMALL, "model_type": "llama", "hidden_size": size}, source="x")


@pytest.mark.parametrize(
    "tune",
    [
        TuneSettings(mode="full"),
        TuneSettings(mode="upper", layers=1),
        TuneSettings(mode="lora", lora_rank=3),
        TuneSettings(mode="frozen"),
    ],
    ids=lambda tune: tune.mode,
)
def test_a_reward_models_weights_and_those_that_move_are_the_real_ones(
    tune: TuneSettings, tiny_model_folder: Path
) -> None:
    _, everything = reward_model(tiny_model_folder, tune=tune)
    weights = list(everything.parameters())
    counted = parameters(plan(tiny_shape(tiny_model_folder), tune=tune))
    assert counted.total == sum(each.numel() for each in weights)
    assert counted.trained == sum(each.numel() for each in weights if each.requires_grad)


@pytest.mark.parametrize("tune", [TuneSettings(mode="full"), TuneSettings(mode="lora", lora_rank=3)])
def test_a_policy_has_no_head_of_its_own(tune: TuneSettings, tiny_model_folder: Path) -> None:
    trained = make_trainable(load_policy(tiny_model_folder, dtype=torch.float32, device=CPU), tune=tune)
    weights = list(trained.parameters())
    counted = parameters(plan(tiny_shape(tiny_model_folder), head=None, tune=tune))
    assert counted.total == sum(each.numel() for each in weights)
    assert counted.trained == sum(each.numel() for each in weights if each.requires_grad)


@pytest.mark.parametrize("tune", [TuneSettings(mode="full"), TuneSettings(mode="upper", layers=1)])
def test_weights_gradients_and_moments_take_as_many_bytes_as_in_a_real_step(
    tune: TuneSettings, tiny_model_folder: Path
) -> None:
    model, _ = reward_model(tiny_model_folder, tune=tune)
    settings = OptimiserSettings(learning_rate=1e-3, epochs=1, batch_pairs=1)
    optimiser = make_optimiser(model, optimiser=settings)
    torch.nn.init.normal_(model.head.linear.weight)  # at zero nothing below the head has a gradient
    with packed_attention(model.backbone):
        model(Row(pack([group(3, 4, 5)]), None)).raw.sum().backward()
    optimiser.step()
    moments = [state[name] for state in optimiser.state.values() for name in ("exp_avg", "exp_avg_sq")]
    found = memory(plan(tiny_shape(tiny_model_folder), tune=tune))
    assert found.weights == sum(each.nbytes for each in model.parameters())
    assert found.gradients == sum(each.grad.nbytes for each in model.parameters() if each.grad is not None)
    assert found.optimiser == sum(each.nbytes for each in moments)


def kept_for_backward(model: RewardModel, row: Row, *, precision: Precision) -> int:
    """Return the bytes of all tensors that a forward pass keeps for the backward pass, but for the weights."""
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        autocast(CPU, precision=precision),
        packed_attention(model.backbone),
    ):
        model(row)
    return sum(each.untyped_storage().nbytes() for place, each in kept.items() if place not in weights)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tune", [TuneSettings(mode="full"), TuneSettings(mode="upper", layers=2)])
@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SMALL | {"num_hidden_layers": 3}),
        LlamaConfig(**SMALL | {"num_hidden_layers": 3}, mlp_bias=True),
        SmolLM3Config(**SMALL | {"num_hidden_layers": 3}, pad_token_id=0, bos_token_id=1, eos_token_id=2),
        Gemma3TextConfig(**SMALL | {"num_hidden_layers": 3}, head_dim=24, sliding_window=30),
    ],
    ids=lambda config: f"{type(config).__name__}{' with biases' if getattr(config, 'mlp_bias', False) else ''}",
)
def test_activations_are_within_a_tenth_of_what_a_real_pass_keeps(
    precision: Precision, tune: TuneSettings, config: PreTrainedConfig, tmp_path: Path
) -> None:
    """Llama's layers are run by leaner functions, which keep gated products before a bias only, SmolLM3's by
    transformers; bfloat16 also keeps casts of weights.
    """
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    shape, row = ModelShape.from_config(saved(config, tmp_path), source="small"), pack([group(20, 50, 70)])
    model, _ = reward_model(tmp_path, tune=tune)
    real = kept_for_backward(model, Row(row, None), precision=precision)
    wanted = plan(shape, tune=tune, precision=precision, row_tokens=row.num_tokens)
    assert activation_bytes(wanted) + memory(wanted).buffers == pytest.approx(real, rel=0.1)


def test_checkpointing_keeps_the_input_of_each_lower_layer_and_one_layer_whole() -> None:
    """Hidden 48 and 10 tokens: of 3 layers, the inputs of two (48 float32 each) and all that one of them keeps."""
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small").with_layers(3)
    found = activation_bytes(plan(shape, checkpointing=True, row_tokens=10))
    assert found == 10 * (2 * 4 * 48 + layer_activation_bytes(shape, compute_bytes=4, has_adapters=False))


def test_nothing_is_kept_where_only_the_head_moves() -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    assert activation_bytes(plan(shape, tune=TuneSettings(mode="frozen"), row_tokens=10)) == 0


def test_split_weights_are_divided_by_the_devices_and_copied_ones_are_not() -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    one, copied, split = (
        memory(plan(shape, devices=devices, strategy=strategy))
        for devices, strategy in ((1, "fsdp"), (4, "ddp"), (4, "fsdp"))
    )
    assert copied.weights == one.weights
    assert split.weights == pytest.approx(one.weights / 4, abs=4)
    assert split.optimiser == pytest.approx(one.optimiser / 4, abs=8)
    # gradients of copied weights are summed in place; split ones need two layers and the embedding whole, and one
    # layer's gradients twice
    assert (one.buffers, copied.buffers) == (0, 0)
    assert split.buffers == 4 * (4 * shape.layer_parameters + shape.embedding_parameters)


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, 2),
        ({"checkpointing": True}, 2),
        ({"devices": 4, "strategy": "fsdp"}, 2),
        ({"devices": 4, "strategy": "fsdp", "checkpointing": True}, 1),
        ({"tune": TuneSettings(mode="upper", layers=1)}, 1),
    ],
)
def test_products_in_bfloat16_keep_casts_of_the_weights_of_so_many_layers(
    changes: dict[str, object], layers: int
) -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    cast, plain = (memory(plan(shape, precision=each, **changes)) for each in ("bfloat16", "float32"))
    assert cast.buffers - plain.buffers == 2 * layers * shape.layer_products


def test_pairs_that_attend_are_those_of_the_mask() -> None:
    groups = [group(5, 3, 7), group(2, 4, 1)]
    counts = TokenCounts.of([(len(each.prefix), [len(answer.ids) for answer in each.responses]) for each in groups])
    assert counts == TokenCounts(2, tokens=22, response_tokens=15, attended=int(pack(groups).mask.sum()))


def test_the_operations_of_matrices_are_those_that_pytorch_counts(tiny_model_folder: Path) -> None:
    """Attention is left out on both sides: PyTorch counts its kernel on some devices only, and without the mask."""
    model, _ = reward_model(tiny_model_folder, tune=TuneSettings(mode="full"))
    shape = tiny_shape(tiny_model_folder)
    torch.nn.init.normal_(model.head.linear.weight)
    row = Row(pack([group(6, 10, 12)]), None)
    counts = TokenCounts(1, tokens=row.packed.num_tokens, response_tokens=22, attended=0)
    # the prompt's end and the response's, for each of two responses
    forward = forward_operations(shape, counts, layers=shape.layers, read=4)
    head = 2 * 2 * len(NAMES) * shape.hidden
    with packed_attention(model.backbone), FlopCounterMode(display=False) as counter:
        loss = model(row).raw.sum()
        assert matrix_operations(counter) == forward + head
        loss.backward()
    assert matrix_operations(counter) == 3 * (forward + head)


def test_a_last_layer_that_is_read_whole_costs_as_much_as_the_others() -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    counts = TokenCounts.of([(4, [5, 6])])
    assert forward_operations(shape, counts, layers=2, read=15) == forward_operations(shape, counts, layers=2)


def matrix_operations(counter: FlopCounterMode) -> int:
    found = counter.get_flop_counts()["Global"]
    return sum(count for operation, count in found.items() if str(operation) in ("aten.mm", "aten.addmm"))


@pytest.mark.parametrize(
    ("tune", "checkpointing", "forwards"),
    [
        # forward and twice that backward, in each of 2 epochs; one pass to start the head; 5 evaluations
        (TuneSettings(mode="full"), False, 2 * 3 + 1),
        (TuneSettings(mode="full"), True, 2 * 4 + 1),
        # no gradients of the weights that stay
        (TuneSettings(mode="lora", lora_rank=1), False, 2 * 2 + 1),
    ],
)
def test_a_training_passes_over_its_rows_so_many_times(tune: TuneSettings, checkpointing: bool, forwards: int) -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    training, validation = TokenCounts.of([(4, [5, 6])]), TokenCounts.of([(2, [3, 3])])
    once = {each.tokens: forward_operations(shape, each, layers=2, read=4) for each in (training, validation)}
    wanted = plan(shape, tune=tune, checkpointing=checkpointing)
    found = training_operations(wanted, training, validation, epochs=2, evaluations=5)
    assert found == forwards * once[training.tokens] + 5 * once[validation.tokens]


def test_layers_that_stay_run_once_over_all_rows() -> None:
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    training, validation = TokenCounts.of([(4, [5, 6])]), TokenCounts.of([(2, [3, 3])])
    wanted = plan(shape, tune=TuneSettings(mode="frozen"))
    found = training_operations(wanted, training, validation, epochs=9, evaluations=9)
    assert found == forward_operations(shape, training + validation, layers=2)


def test_two_epochs_of_the_released_rows_take_the_published_number_of_steps() -> None:
    """20,324 responses are 10,162 pairs, 158.8 batches of 64: 159 steps an epoch with the last one smaller.

    NeMo-Aligner runs over both epochs as one file and drops what is left over: 317.
    """
    optimiser = OptimiserSettings(learning_rate=2e-6, epochs=2, batch_pairs=64)
    assert num_steps(20_324 // 2, optimiser=optimiser) == 318
    assert (20_324 * 2) // 128 == 317


def test_each_device_sends_its_share_of_weights_and_gradients() -> None:
    """Three quarters with 4 devices: weights gathered twice a micro-batch, gradients summed, or summed and shared."""
    shape = ModelShape.from_config({**SMALL, "model_type": "llama"}, source="small")
    split, copied = (plan(shape, devices=4, strategy=strategy) for strategy in ("fsdp", "ddp"))
    weights = parameters(split).total
    assert exchanged_bytes(split, micro_batches=5) == 5 * 3 * 4 * weights * 3 // 4
    assert exchanged_bytes(copied, micro_batches=5) == 2 * 4 * weights * 3 // 4
    assert exchanged_bytes(plan(shape), micro_batches=5) == 0


def test_the_slower_of_computing_and_exchanging_decides() -> None:
    """4 devices at half of 2 TFLOP/s do 4e12 operations a second; 3e9 bytes take three seconds at 1 GB/s."""
    devices = EstimateSettings(devices=4, peak_tflops=2, share_of_peak=0.5, exchange_gb_per_second=1)
    found = duration(8 * 10**12, 3 * 10**9, devices=devices)
    assert found is not None
    assert (found.compute, found.exchange, found.seconds) == (2.0, 3.0, 3.0)
    assert duration(1, 1, devices=EstimateSettings(peak_tflops=2)) is None
