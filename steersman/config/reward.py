"""The section of reward models: what they predict, from which states, by which objectives."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from steersman.config.engine import EngineSettings
from steersman.config.loading import Settings
from steersman.config.sections import OptimiserSettings, TuneSettings
from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS

POINTWISE = ("regression", "ordinal", "categorical")
PAIRWISE = ("bradley-terry", "margin", "scaled", "preference-ordinal")
HEAD_OF = {"regression": "linear", "ordinal": "ordinal", "categorical": "categorical"}

NamedWeights = Literal["goodness", "helpsteer2-70b", "helpsteer2-340b", "fitted"]


class ObjectiveSettings(Settings):
    """One term of the loss."""

    name: Literal["regression", "ordinal", "categorical", "bradley-terry", "margin", "scaled", "preference-ordinal"] = (
        Field(
            description="of single responses: regression, ordinal, categorical; of pairs: bradley-terry, margin, scaled"
            " (ties are dropped), preference-ordinal (a tie is a level of its own)"
        )
    )
    weight: float = Field(1.0, gt=0, description="its share in the sum of terms")


class RewardSettings(Settings):
    """A reward model: a backbone, a head over the end of each response, and what it is trained to do."""

    model: str = Field(min_length=1, description="backbone: embedded model name, hub name or folder")
    attributes: tuple[str, ...] = Field(ATTRIBUTES, description="outputs, in order; columns of the training table")
    head: Literal["linear", "ordinal", "categorical", "gating"] = Field(
        "linear",
        description="linear: a number per attribute; ordinal: a number and four thresholds each, so levels have"
        " probabilities; categorical: a logit per level; gating: numbers, and weights of attributes that depend on the"
        " prompt",
    )
    keep_head: bool = Field(
        False, description="start from the head saved in `model`, itself a reward model with the same attributes"
    )
    head_start: Literal["probe", "zero"] = Field(
        "probe", description="start from the head that fits the untrained model best, or from zero"
    )
    bias: bool = Field(False, description="give the head a bias; transformers' own heads have none")
    pooling: Literal["last", "end_of_turn", "mean"] = Field(
        "last", description="the state that is read: at a response's last token, at its end-of-turn token, their mean"
    )
    backbone_layers: int | None = Field(None, ge=1, description="keep so many lower layers of the model; null = all")
    form: Literal["response", "comparison"] = Field(
        "response", description="response: each is scored alone; comparison: both are read together, in both orders"
    )
    objectives: tuple[ObjectiveSettings, ...] = Field(
        (ObjectiveSettings(name="regression", weight=1.0),),
        description="terms of the loss, summed by their weights; left out, regression alone",
    )
    preference: str = Field(
        "helpfulness",
        description="the column whose difference says which response is better, where the data are ratings",
    )
    ranked_by: str = Field(
        "helpfulness", description="the output that objectives of pairs rank by; 'reward' = the weighted sum"
    )
    sample_weights: Literal["none", "agreement"] = Field(
        "none",
        description="agreement: labels that raters agree on count more; the training data must hold lists of ratings",
    )
    weights: dict[str, float] | NamedWeights = Field(
        default_factory=lambda: dict(GOODNESS_WEIGHTS),
        description="reward = sum of weight x attribute: weights by name, 'goodness' (the default), the published"
        " 'helpsteer2-70b' or 'helpsteer2-340b', or 'fitted' on the validation rows",
    )
    max_tokens: int = Field(ge=16, description="longer conversations are dropped from training and counted")
    tune: TuneSettings
    optimiser: OptimiserSettings | None = Field(
        None,
        description="needed unless tune.mode is 'frozen', whose heads are fitted to the end by a solver, without it",
    )
    engine: EngineSettings = Field(default_factory=lambda: EngineSettings.model_validate({}))
    evaluate_every: int | None = Field(
        None, ge=1, description="optimiser steps between evaluations of the validation rows; needed as the optimiser is"
    )
    learning_curve: tuple[int, ...] = Field(
        (),
        description="also train on so many pairs each, afresh, every smaller set part of the larger ones, and log how"
        " the validation loss and accuracy change",
    )

    @field_validator("attributes")
    @classmethod
    def _different(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        if not attributes or len(set(attributes)) < len(attributes) or not all(attributes):
            raise ValueError("name at least one attribute, each once")
        return attributes

    @field_validator("objectives")
    @classmethod
    def _at_least_one(cls, objectives: tuple[ObjectiveSettings, ...]) -> tuple[ObjectiveSettings, ...]:
        names = [each.name for each in objectives]
        if not names or len(set(names)) < len(names):
            raise ValueError("name at least one objective, each once")
        return objectives

    @field_validator("learning_curve")
    @classmethod
    def _growing(cls, learning_curve: tuple[int, ...]) -> tuple[int, ...]:
        if list(learning_curve) != sorted({each for each in learning_curve if each > 0}):
            raise ValueError("numbers of pairs must be above zero and grow")
        return learning_curve

    @model_validator(mode="after")
    def _weights_name_attributes(self) -> Self:
        named = self.weights if isinstance(self.weights, dict) else {}
        unknown = sorted(set(named) - set(self.attributes))
        if unknown and "weights" in self.model_fields_set:
            raise ValueError(f"reward.weights names {unknown}, which are not among reward.attributes")
        if unknown and self.head != "gating":
            raise ValueError(
                f"reward.weights is by default the goodness of HelpSteer2, which weighs {unknown}, not among"
                " reward.attributes; say what the reward is made of, for example {" + self.attributes[0] + ": 1.0}"
            )
        return self

    @model_validator(mode="after")
    def _ranked_by_an_output(self) -> Self:
        if self.is_pairwise and self.ranked_by not in (*self.attributes, "reward"):
            raise ValueError(
                f"reward.ranked_by is {self.ranked_by!r}; it must be 'reward' or one of {list(self.attributes)}"
            )
        if self.ranked_by == "reward" and self.weights == "fitted" and self.head != "gating":
            raise ValueError("reward.ranked_by 'reward' needs its weights before training; they cannot be 'fitted'")
        return self

    @model_validator(mode="after")
    def _head_serves_objectives(self) -> Self:
        for each in self.objectives:
            needed = HEAD_OF.get(each.name)
            if needed is not None and needed != ("linear" if self.head == "gating" else self.head):
                raise ValueError(f"objective {each.name!r} needs reward.head {needed!r}, not {self.head!r}")
        is_served = any(HEAD_OF.get(each.name) == self.head for each in self.objectives)
        if self.head in ("ordinal", "categorical") and not is_served:
            raise ValueError(f"reward.head {self.head!r} models levels, which only the objective {self.head!r} trains")
        return self

    @model_validator(mode="after")
    def _comparison_has_one_output(self) -> Self:
        if self.form != "comparison":
            return self
        if any(each.name in POINTWISE for each in self.objectives):
            raise ValueError("reward.form 'comparison' takes objectives of pairs only: " + ", ".join(PAIRWISE))
        if self.head != "linear" or len(self.attributes) != 1:
            raise ValueError(
                "reward.form 'comparison' has a linear head with one output, which says which response is better; set"
                " for example reward.attributes, reward.ranked_by and reward.weights to [preference], preference and"
                " {preference: 1.0}"
            )
        return self

    @model_validator(mode="after")
    def _gate_is_trained(self) -> Self:
        if self.head != "gating":
            return self
        if not any(each.name == "regression" for each in self.objectives) or not self.is_pairwise:
            raise ValueError(
                "reward.head 'gating' needs the objective regression, which trains the attributes, and one of pairs,"
                " which trains the gate: " + ", ".join(PAIRWISE)
            )
        if self.ranked_by != "reward":
            raise ValueError("reward.head 'gating' trains its gate by the gated reward; set reward.ranked_by: reward")
        if self.weights == "fitted":
            raise ValueError("reward.head 'gating' weighs the attributes itself; leave reward.weights out")
        return self

    @model_validator(mode="after")
    def _loop_is_described(self) -> Self:
        if self.tune.mode == "frozen":
            if self.keep_head:
                raise ValueError(
                    "reward.keep_head: with tune.mode 'frozen' the head is fitted to the end, from any start"
                )
            return self
        missing = [name for name in ("optimiser", "evaluate_every") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing: needed with tune.mode {self.tune.mode!r}")
        return self

    @model_validator(mode="after")
    def _kept_model_is_whole(self) -> Self:
        if self.keep_head and self.backbone_layers is not None:
            raise ValueError("reward.backbone_layers: the model that keep_head goes on from has its layers already")
        return self

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The keys that say how the layers of a model are trained where none of them is: tune.mode 'frozen'."""
        if self.tune.mode != "frozen":
            return ()
        plain = {"optimiser": None, "evaluate_every": None, "head_start": "probe"}
        engine = EngineSettings.model_validate({})
        of_loop = ("checkpointing", "compile", "strategy", "save_every", "patience")
        return (
            *(f"reward.{name}" for name, value in plain.items() if getattr(self, name) != value),
            *(f"reward.engine.{name}" for name in of_loop if getattr(self.engine, name) != getattr(engine, name)),
        )

    @property
    def is_pairwise(self) -> bool:
        """Whether any objective is one of pairs."""
        return any(each.name in PAIRWISE for each in self.objectives)

    @property
    def ranking_output(self) -> str:
        """The output whose order says which response is better: `ranked_by`, else the first attribute."""
        return self.ranked_by if self.ranked_by in (*self.attributes, "reward") else self.attributes[0]

    @property
    def preference_column(self) -> str:
        """The column whose difference is the preference; without objectives of pairs, that of the ranking output."""
        is_own = self.is_pairwise or self.ranking_output == "reward"
        return self.preference if is_own else self.ranking_output
