"""The shape of a decoder, from its config.json alone: how many weights it has and which of them are multiplied.

Neither torch nor weights are needed, so a 70B model can be reckoned with on a laptop. A layer has the seven matrices of
Llama: queries, keys, values and output of the attention, gate, up and down of the feed-forward part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from steersman.errors import PluginError


@dataclass(frozen=True, slots=True)
class _Family:
    """How a family departs from Llama: biases it always has, biases its config decides, norms within the heads.

    `num_norms`, `is_leaner` are those of `ModelShape`; `head_size`, `is_tied` hold where the config leaves them out.
    """

    has_input_biases: bool = False
    is_attention_bias_a_key: bool = False
    is_feedforward_bias_a_key: bool = False
    has_head_norms: bool = False
    num_norms: int = 2
    head_size: int | None = None
    is_tied: bool = False
    is_leaner: bool = True


_FAMILIES = {
    "llama": _Family(is_attention_bias_a_key=True, is_feedforward_bias_a_key=True),
    "mistral": _Family(),
    "qwen2": _Family(has_input_biases=True),
    "qwen3": _Family(is_attention_bias_a_key=True, has_head_norms=True),
    "gemma3_text": _Family(
        is_attention_bias_a_key=True, has_head_norms=True, num_norms=4, head_size=256, is_tied=True, is_leaner=False
    ),
    "granite": _Family(is_attention_bias_a_key=True, is_feedforward_bias_a_key=True, is_leaner=False),
    "smollm3": _Family(is_attention_bias_a_key=True, is_feedforward_bias_a_key=True, is_leaner=False),
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear map of a layer, with or without a bias on its outputs."""

    name: str
    num_inputs: int
    num_outputs: int
    has_bias: bool

    @property
    def num_parameters(self) -> int:
        """Its weights and biases."""
        return self.num_inputs * self.num_outputs + (self.num_outputs if self.has_bias else 0)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a decoder; `head_size` is the width of one attention head, `is_tied` the output matrix's sharing.

    `num_norms` counts the norms of a layer as wide as the hidden states, before its parts and for some after them, too.
    `is_leaner` where `modeling.fused` runs the layers: they keep less for the backward pass, and the last one computes
    what is read of it alone.
    """

    layers: int
    hidden: int
    feedforward: int
    heads: int
    key_heads: int
    head_size: int
    vocabulary: int
    is_tied: bool
    has_input_biases: bool
    has_output_bias: bool
    has_feedforward_biases: bool
    has_head_norms: bool
    num_norms: int
    is_leaner: bool

    @classmethod
    def from_config(cls, config: Mapping[str, object], *, source: str) -> Self:
        """Return the shape that a config.json of transformers describes; `source` names it in errors.

        Raises PluginError for a family that is not known here, and for a missing or impossible size.
        """
        name = config.get("model_type")
        family = _FAMILIES.get(name) if isinstance(name, str) else None
        if family is None:
            raise PluginError(f"{source}: the shape of model_type {name!r} is not known; known: {', '.join(_FAMILIES)}")
        hidden, heads = (_size(config, key, source=source) for key in ("hidden_size", "num_attention_heads"))
        attention_bias = family.is_attention_bias_a_key and config.get("attention_bias") is True
        return cls(
            layers=_size(config, "num_hidden_layers", source=source),
            hidden=hidden,
            feedforward=_size(config, "intermediate_size", source=source),
            heads=heads,
            key_heads=_size(config, "num_key_value_heads", source=source, default=heads),
            head_size=_size(config, "head_dim", source=source, default=family.head_size or max(1, hidden // heads)),
            vocabulary=_size(config, "vocab_size", source=source),
            is_tied=config.get("tie_word_embeddings", family.is_tied) is True,
            has_input_biases=family.has_input_biases or attention_bias,
            has_output_bias=attention_bias,
            has_feedforward_biases=family.is_feedforward_bias_a_key and config.get("mlp_bias") is True,
            has_head_norms=family.has_head_norms,
            num_norms=family.num_norms,
            is_leaner=family.is_leaner,
        )

    def with_layers(self, layers: int) -> Self:
        """Return the same with only so many lower layers."""
        return replace(self, layers=layers)

    @property
    def attention_width(self) -> int:
        """All heads side by side."""
        return self.heads * self.head_size

    @property
    def key_width(self) -> int:
        """All key heads side by side; the values are as wide."""
        return self.key_heads * self.head_size

    def matrices(self) -> tuple[Matrix, ...]:
        """Return the linear maps of one layer."""
        hidden, inner, biases = self.hidden, self.feedforward, self.has_feedforward_biases
        return (
            Matrix("query", hidden, self.attention_width, self.has_input_biases),
            Matrix("key", hidden, self.key_width, self.has_input_biases),
            Matrix("value", hidden, self.key_width, self.has_input_biases),
            Matrix("output", self.attention_width, hidden, self.has_output_bias),
            Matrix("gate", hidden, inner, biases),
            Matrix("up", hidden, inner, biases),
            Matrix("down", inner, hidden, biases),
        )

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer, its norms among them."""
        norms = self.num_norms * self.hidden + (2 * self.head_size if self.has_head_norms else 0)
        return sum(matrix.num_parameters for matrix in self.matrices()) + norms

    @property
    def layer_products(self) -> int:
        """Multiplications that the matrices of one layer take for one token."""
        return sum(matrix.num_inputs * matrix.num_outputs for matrix in self.matrices())

    @property
    def embedding_parameters(self) -> int:
        """Weights of the token embedding; an output matrix that is not tied has as many."""
        return self.vocabulary * self.hidden

    @property
    def backbone_parameters(self) -> int:
        """Weights below any head: embedding, layers, final norm."""
        return self.embedding_parameters + self.layers * self.layer_parameters + self.hidden

    @property
    def policy_parameters(self) -> int:
        """Weights of the causal language model."""
        return self.backbone_parameters + (0 if self.is_tied else self.embedding_parameters)


def _size(config: Mapping[str, object], key: str, *, source: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PluginError(f"{source}: {key} must be a whole number above 0, got {value!r}")
    return value
