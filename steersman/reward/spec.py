"""What a reward model predicts and how it is read: kept inside its config.json, so that a folder explains itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Literal, Self, cast, get_args

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
    def from_config(cls, config: object) -> Self:
        """Return the spec in `config`; raises ValueError that names everything in it that describes no reward model."""
        if not isinstance(config, Mapping):
            raise ValueError(f"it is no mapping but {config!r}")
        faults = [*_key_faults(config), *_choice_faults(config), *_name_faults(config), *_other_faults(config)]
        if faults:
            raise ValueError("; ".join(faults))
        return cls(**{**config, "attributes": tuple(config["attributes"])})


_CHOICES = {"kind": get_args(Kind), "pooling": get_args(Pooling), "form": get_args(Form)}


def _key_faults(config: Mapping[str, object]) -> list[str]:
    known = [each.name for each in fields(RewardSpec)]
    missing = [name for name in ("kind", "attributes", "weights") if name not in config]
    unknown = [name for name in config if name not in known]
    return [f"{name} is missing" for name in missing] + [
        f"{name} is not known; the keys are {known}" for name in unknown
    ]


def _choice_faults(config: Mapping[str, object]) -> list[str]:
    return [
        f"{name} is {config[name]!r}, which must be one of {list(allowed)}"
        for name, allowed in _CHOICES.items()
        if name in config and config[name] not in allowed
    ]


def _name_faults(config: Mapping[str, object]) -> list[str]:
    if not {"attributes", "weights"} <= set(config):
        return []
    names, weights = config["attributes"], config["weights"]
    if not _is_names(names):
        return [f"attributes is {names!r}, which must be a list of different names, at least one"]
    if not isinstance(weights, Mapping) or not all(_is_number(each) for each in weights.values()):
        return [f"weights is {weights!r}, which must be numbers by the name of an attribute"]
    others = [name for name in weights if name not in cast("list[str]", names)]
    return [f"weights names {others}, which are not among the attributes {names}"] if others else []


def _is_names(names: object) -> bool:
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return False
    return bool(names) and len(set(names)) == len(names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _other_faults(config: Mapping[str, object]) -> list[str]:
    kinds = {"has_bias": (bool, "true or false"), "weights_source": (str, "a text")}
    return [
        f"{name} is {config[name]!r}, which must be {words}"
        for name, (kind, words) in kinds.items()
        if name in config and not isinstance(config[name], kind)
    ]
