"""What a reward model predicts and how it is read: kept inside its config.json, so that a folder explains itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Self, cast

Kind = Literal["linear", "ordinal", "categorical", "gating"]
Pooling = Literal["last", "end_of_turn", "mean"]
Form = Literal["response", "comparison"]

NUM_LEVELS = 5
SPEC_KEY = "reward_model"


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """The head's kind, its attributes in order, and the state it reads.

    `weights` turn attributes into one reward, those not named count nothing; `weights_source` says where they are
    from. A `comparison` reads both responses of a pair in one text, in both orders.
    """

    kind: Kind
    attributes: tuple[str, ...]
    weights: Mapping[str, float]
    pooling: Pooling = "last"
    form: Form = "response"
    has_bias: bool = False
    weights_source: str = "config"

    @property
    def num_outputs(self) -> int:
        """Numbers the head gives per response."""
        return len(self.attributes) * (NUM_LEVELS if self.kind == "categorical" else 1)

    def beyond_transformers(self, *, is_encoder: bool) -> tuple[str, ...]:
        """Return what this head has that no classification model of transformers can hold, in words.

        Such a model reads a decoder's last token by a linear layer without bias, and an encoder in its own way by one
        with a bias. Nothing, for a head that gives the same outputs there.
        """
        found = []
        if self.kind == "gating":
            found.append("weights of attributes that depend on the prompt (reward.head: gating)")
        if self.pooling != "last":
            found.append(f"reading by reward.pooling: {self.pooling}")
        if self.has_bias and not is_encoder:
            found.append("a bias (reward.bias: true)")
        if self.form == "comparison":
            found.append("comparing two responses in one text (reward.form: comparison)")
        return tuple(found)

    def output_names(self) -> tuple[str, ...]:
        """Return a name per output: the attribute, or attribute=level."""
        if self.kind != "categorical":
            return self.attributes
        return tuple(f"{name}={level}" for name in self.attributes for level in range(NUM_LEVELS))

    def to_config(self) -> dict[str, object]:
        """Return the spec as JSON holds it."""
        return asdict(self) | {"attributes": list(self.attributes), "weights": dict(self.weights)}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Return the spec in `config`; raises ValueError when it is none."""
        try:
            fields = dict(config) | {"attributes": tuple(cast("list[str]", config["attributes"]))}
            return cls(**fields)  # type: ignore[arg-type]  # the constructor names what does not fit
        except (KeyError, TypeError) as error:
            raise ValueError(f"it describes no reward model ({error})") from error
