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
        buffers=_buffer_bytes(plan, trained=counted.trained),
        activations=activation_bytes(plan),
    )


def _buffer_bytes(plan: TrainingPlan, *, trained: int) -> int:
    shape = plan.shape
    if plan.is_split:
        # the layer at work and the next one, gathered; the embedding for the whole pass; one layer's gradients, whole
        # and once more as they are summed
        gathered = 2 * shape.layer_parameters + shape.embedding_parameters
        return plan.compute_bytes * (gathered + shape.layer_parameters) + FLOAT32_BYTES * shape.layer_parameters
    copies = 0 if plan.precision == "float32" else plan.moving_layers * shape.layer_products
    exchanged = FLOAT32_BYTES * trained if plan.devices > 1 else 0
    return plan.compute_bytes * copies + exchanged


def activation_bytes(plan: TrainingPlan) -> int:
    """Return what the layers that gradients pass through keep of one micro-batch for the backward pass.

    Checkpointing keeps each layer's input, and all of one layer while it is recomputed.
    """
    if plan.moving_layers == 0:
        return 0
    shape, tokens = plan.shape, plan.row_tokens
    layer = layer_activation_bytes(shape, compute_bytes=plan.compute_bytes)
    final_norm = 2 * FLOAT32_BYTES * shape.hidden
    if plan.checkpointing:
        return tokens * (plan.moving_layers * FLOAT32_BYTES * shape.hidden + layer + final_norm)
    return tokens * (plan.moving_layers * layer + final_norm)


def layer_activation_bytes(shape: ModelShape, *, compute_bytes: int) -> int:
    """Return what one layer keeps per token.

    Each norm keeps its input and the normalised states in float32. The products keep their inputs: in float32 queries,
    keys and values share one, under autocast each casts its own. Attention keeps queries, keys and values of every
    head, its outputs, and the outputs side by side; the gated feed-forward part keeps the gate before and after its
    activation, the other factor and the product.
    """
    kept_by_norms = 4 * shape.hidden * FLOAT32_BYTES
    inputs = 2 if compute_bytes == FLOAT32_BYTES else 5
    products = inputs * shape.hidden + 5 * shape.attention_width + 4 * shape.feedforward
    return kept_by_norms + products * compute_bytes
