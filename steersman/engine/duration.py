"""How long a training will take, before anything is loaded: tokens, operations, bytes exchanged, seconds.

Pure arithmetic; no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from steersman.config.estimating import EstimateSettings
from steersman.engine.estimate import FLOAT32_BYTES, TrainingPlan, parameters
from steersman.engine.model_shape import ModelShape

# a backward pass multiplies twice as often as a forward pass: once for the inputs, once for the weights
_FORWARD, _BACKWARD_OF_INPUTS, _BACKWARD_OF_WEIGHTS = 1, 1, 1
_OPERATIONS_PER_PRODUCT = 2
_GIGA, _TERA = 1e9, 1e12


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Sizes of packed groups: their tokens, those of the responses alone, and the pairs of tokens that attend."""

    groups: int
    tokens: int
    response_tokens: int
    attended: int

    @classmethod
    def of(cls, groups: Sequence[tuple[int, Sequence[int]]]) -> Self:
        """Return the counts of groups given as the length of the prefix and of each response.

        A token of the prefix attends to the tokens before it and itself, one of a response to the whole prefix, too.
        """
        return cls(
            groups=len(groups),
            tokens=sum(prefix + sum(responses) for prefix, responses in groups),
            response_tokens=sum(sum(responses) for _, responses in groups),
            attended=sum(
                _causal(prefix) + sum(length * prefix + _causal(length) for length in responses)
                for prefix, responses in groups
            ),
        )

    @classmethod
    def of_mean(cls, groups: int, *, prefix: float, response: float) -> Self:
        """Return the counts of so many groups of two responses, all of the mean lengths; rounded to whole tokens."""
        one = cls.of([(round(prefix), [round(response)] * 2)])
        return cls(groups, groups * one.tokens, groups * one.response_tokens, groups * one.attended)

    def __add__(self, other: Self) -> Self:
        """Return the counts of both."""
        return type(self)(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __mul__(self, times: int) -> Self:
        """Return the counts of passing over the groups so many times."""
        return type(self)(*(getattr(self, each.name) * times for each in fields(self)))


def _causal(length: int) -> int:
    return length * (length + 1) // 2


def forward_operations(shape: ModelShape, counts: TokenCounts, *, layers: int, read: int | None = None) -> int:
    """Return the floating-point operations of passing `counts` once through so many layers.

    A product of a token with a matrix takes two per weight; attention takes two products per head's width, queries
    with keys and weights with values, for every pair of tokens that attend. Where only `read` tokens of the last layer
    are wanted, it computes keys and values of all tokens and the rest for those alone.
    """
    if layers == 0:
        return 0
    attention = 2 * shape.attention_width * counts.attended
    whole = shape.layer_products * counts.tokens + attention
    if read is None:
        return _OPERATIONS_PER_PRODUCT * layers * whole
    keys_and_values = 2 * shape.hidden * shape.key_width
    last = keys_and_values * counts.tokens + (shape.layer_products - keys_and_values) * read
    return _OPERATIONS_PER_PRODUCT * ((layers - 1) * whole + last + attention * read // counts.tokens)


def _num_read(plan: TrainingPlan, counts: TokenCounts) -> int | None:
    if not plan.shape.is_leaner:
        return None
    # of each of two responses, the prompt's end and its own
    return counts.response_tokens if plan.reads == "responses" else 4 * counts.groups


def training_operations(
    plan: TrainingPlan, training: TokenCounts, validation: TokenCounts, *, epochs: int, evaluations: int
) -> int:
    """Return the floating-point operations of a whole training on all devices together.

    Lower layers that stay as they are run once over all rows. Gradients of weights that stay (LoRA) are not computed.
    A policy adds its output matrix, its reference one pass before the first step; a reward model starts its head by
    one pass.
    """
    shape, moving = plan.shape, plan.moving_layers
    weights = 0 if plan.tune.mode == "lora" else _BACKWARD_OF_WEIGHTS
    passes = _FORWARD + _BACKWARD_OF_INPUTS + weights + (_FORWARD if plan.checkpointing else 0)
    rows = training + validation
    once = forward_operations(shape, rows, layers=shape.layers - moving)

    def through(counts: TokenCounts) -> int:
        outputs = _OPERATIONS_PER_PRODUCT * shape.embedding_parameters * counts.response_tokens
        passed = forward_operations(shape, counts, layers=moving, read=_num_read(plan, counts))
        return passed + (outputs if plan.head is None else 0)

    return once + passes * epochs * through(training) + through(training) + evaluations * through(validation)


def exchanged_bytes(plan: TrainingPlan, *, micro_batches: int) -> int:
    """Return the bytes that one device sends in an optimiser step of so many micro-batches of its own.

    Split weights are gathered in the forward and once more in the backward pass of every micro-batch, and gradients
    summed after it, all float32. Copied weights exchange gradients once a step. A ring of n devices sends (n - 1) / n
    of a tensor to gather or to sum it, twice that to do both.
    """
    counted = parameters(plan)
    sums = micro_batches if plan.is_split else 2
    whole = FLOAT32_BYTES * sums * counted.trained * (plan.devices - 1) // plan.devices
    return whole + gathered_bytes(plan, passes=2 * micro_batches)


def gathered_bytes(plan: TrainingPlan, *, passes: int) -> int:
    """Return the bytes that one device sends to gather split weights for so many passes through them."""
    if not plan.is_split:
        return 0
    return passes * FLOAT32_BYTES * parameters(plan).total * (plan.devices - 1) // plan.devices


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of a training by its operations and by its exchange; both go on at once, so the longer one counts."""

    compute: float
    exchange: float

    @property
    def seconds(self) -> float:
        """The longer of the two."""
        return max(self.compute, self.exchange)


def duration(operations: int, sent_bytes: int, *, devices: EstimateSettings) -> Duration | None:
    """Return how long `operations` take on all devices, `sent_bytes` on one; None where their speed is not given."""
    if devices.peak_tflops is None or devices.share_of_peak is None:
        return None
    speed = devices.devices * devices.peak_tflops * _TERA * devices.share_of_peak
    bandwidth = devices.exchange_gb_per_second
    return Duration(operations / speed, sent_bytes / (bandwidth * _GIGA) if bandwidth is not None else 0.0)
