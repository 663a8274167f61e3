"""What a training will hold in memory, before anything is loaded: weights, and bytes per device.

Pure arithmetic on the shape of the model; no torch. Where a figure depends on kernels (activations) it follows what
PyTorch keeps for the backward pass of a Llama layer, operation by operation.
"""

from dataclasses import dataclass, fields
from typing import Literal

from steersman.config.sections import TuneSettings
from steersman.engine.model_shape import ModelShape

FLOAT32_BYTES = 4
_ADAM_MOMENTS = 2
_BYTES = {"bfloat16": 2, "float32": FLOAT32_BYTES}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What is trained and how: `head` is the number of weights of a reward model's head, None for a policy.

    `reads` says of which tokens the last layer's states are read: the ends of prompts and responses, or responses.
    `row_tokens` is the length of the longest micro-batch. With several `devices`, `strategy` says whether each keeps a
    copy of the weights (ddp) or a part of them (fsdp).
    """

    shape: ModelShape
    head: int | None
    tune: TuneSettings
    precision: Literal["bfloat16", "float32"]
    checkpointing: bool
    strategy: Literal["ddp", "fsdp"]
    devices: int
    row_tokens: int
    reads: Literal["ends", "responses"]

    @property
    def moving_layers(self) -> int:
        """Layers that gradients pass through."""
        if self.tune.mode == "frozen":
            return 0
        return self.tune.layers or 0 if self.tune.mode == "upper" else self.shape.layers

    @property
    def is_split(self) -> bool:
        """Whether each device keeps a part of the weights only."""
        return self.strategy == "fsdp" and self.devices > 1

    @property
    def compute_bytes(self) -> int:
        """Bytes of a number in matrix products."""
        return _BYTES[self.precision]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Weights of the model with its head and adapters, and those of them that move."""

    total: int
    trained: int


def parameters(plan: TrainingPlan) -> Parameters:
    """Return the numbers of weights; adapters of LoRA are pairs of thin matrices beside every matrix of a layer."""
    shape, mode = plan.shape, plan.tune.mode
    head = plan.head or 0
    total = (shape.policy_parameters if plan.head is None else shape.backbone_parameters) + head
    if mode == "full":
        return Parameters(total, total)
    if mode == "lora":
        rank = plan.tune.lora_rank or 1
        adapters = shape.layers * sum(rank * (each.num_inputs + each.num_outputs) for each in shape.matrices())
        return Parameters(total + adapters, adapters + head)
    if mode == "upper":
        return Parameters(total, plan.moving_layers * shape.layer_parameters + shape.hidden + head)
    return Parameters(total, head)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes per device while a micro-batch is trained on.

    `best` is the copy of the trained weights of the best step so far, `buffers` what matrix products and exchange
    between devices add: weights in the number format of the products, gathered layers, gradients on their way.
    """

    weights: int
    gradients: int
    optimiser: int
    best: int
    buffers: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(int(getattr(self, each.name)) for each in fields(self))


def memory(plan: TrainingPlan) -> Memory:
    """Return the bytes per device; weights, gradients and AdamW's two moments are float32.

    Left out: the framework's own memory, fragmentation, and AdamW's step counters (4 bytes per tensor).
    """
    counted = parameters(plan)
    parts = plan.devices if plan.is_split else 1
    total, trained = -(-counted.total // parts), -(-counted.trained // parts)
    return Memory(
        weights=FLOAT32_BYTES * total,
        gradients=FLOAT32_BYTES * trained,
        optimiser=_ADAM_MOMENTS * FLOAT32_BYTES * trained,
        best=FLOAT32_BYTES * trained,
        buffers=_buffer_bytes(plan, layers=_num_cast(plan)),
        activations=activation_bytes(plan),
    )


def host_bytes(plan: TrainingPlan) -> int:
    """Return the bytes that every process holds on its machine until a model to be split lies on the devices."""
    return FLOAT32_BYTES * parameters(plan).total if plan.is_split else 0


def _buffer_bytes(plan: TrainingPlan, *, layers: int) -> int:
    """Return the bytes of what `layers` keep of their weights in the products' format, and of gathered weights.

    Of split weights, the layer at work and the next one are whole, the embedding for the whole pass, and the gradients
    of one layer whole and once more as they are summed; all float32. Copied weights have their gradients summed in
    place.
    """
    shape = plan.shape
    copies = 0 if plan.precision == "float32" else plan.compute_bytes * layers * shape.layer_products
    if not plan.is_split:
        return copies
    return copies + FLOAT32_BYTES * (4 * shape.layer_parameters + shape.embedding_parameters)


def _num_cast(plan: TrainingPlan) -> int:
    # autocast keeps its casts for a step; where weights are split, for as long as the backward pass needs them
    return min(1, plan.moving_layers) if plan.is_split and plan.checkpointing else plan.moving_layers


def activation_bytes(plan: TrainingPlan) -> int:
    """Return what the layers that gradients pass through keep of one micro-batch for the backward pass.

    Checkpointing keeps the input of every layer below the last, and all of one layer while it is computed again. The
    last of leaner layers keeps its input, what goes into its products, and keys and values; what it computes for the
    few tokens that are read is left out.
    """
    if plan.moving_layers == 0:
        return 0
    shape, tokens = plan.shape, plan.row_tokens
    has_adapters = plan.tune.mode == "lora"
    layer = layer_activation_bytes(shape, compute_bytes=plan.compute_bytes, has_adapters=has_adapters)
    last = layer
    if shape.is_leaner and plan.reads == "ends":
        last = FLOAT32_BYTES * shape.hidden + plan.compute_bytes * (shape.hidden + 2 * shape.key_width)
    lower = plan.moving_layers - 1
    if not plan.checkpointing or lower == 0:
        return tokens * (lower * layer + last)
    return tokens * (lower * FLOAT32_BYTES * shape.hidden + max(layer, last))


def layer_activation_bytes(shape: ModelShape, *, compute_bytes: int, has_adapters: bool) -> int:
    """Return what one layer keeps per token, without what adapters keep themselves.

    Norms keep their input in float32, and products theirs in their own format. Attention keeps queries, keys and
    values, its outputs, and these side by side; the gated feed-forward part the gate and the other factor, and their
    product where it is not computed again (before an adapter or a bias). Layers of transformers keep the normalised
    states too, those of heads as well, a cast input for each product, keys and values of every head, and the gate after
    its activation.
    """
    if shape.is_leaner:
        gated = 3 if has_adapters or shape.has_feedforward_biases else 2
        products = 2 * shape.hidden + 3 * shape.attention_width + 2 * shape.key_width + gated * shape.feedforward
        return 2 * FLOAT32_BYTES * shape.hidden + compute_bytes * products
    inputs, copies = (2, 1) if compute_bytes == FLOAT32_BYTES else (5, 2)
    products = inputs * shape.hidden + 5 * shape.attention_width + 4 * shape.feedforward
    normed = 2 * shape.num_norms * shape.hidden
    if shape.has_head_norms:
        normed += copies * (shape.attention_width + shape.key_width)
    return FLOAT32_BYTES * normed + compute_bytes * products
