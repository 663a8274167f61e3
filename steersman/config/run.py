"""The configs a user writes: a whole run, and one training verb at a time."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from steersman.config.cleaning import CleanSettings
from steersman.config.estimating import EstimateSettings
from steersman.config.loading import Settings
from steersman.config.reward import RewardSettings
from steersman.config.sections import (
    AlignSettings,
    CrowdSettings,
    EvaluateSettings,
    HumanDataSettings,
    PromptsSettings,
    ResponsesSettings,
)

MIN_HELD_OUT = 2
_MAX_NAME_BYTES = 200


class RunSettings(Settings):
    """The whole loop: `steersman run CONFIG.yaml`."""

    name: str = Field(min_length=1, description="name of the run")
    seed: int = Field(ge=0, description="every random choice follows from it")
    prompts: PromptsSettings
    responses: ResponsesSettings
    annotation: CrowdSettings = Field(default_factory=lambda: CrowdSettings.model_validate({}))
    data: HumanDataSettings | None = Field(None, description="human labels instead of our own prompts and ratings")
    clean: CleanSettings = Field(default_factory=lambda: CleanSettings.model_validate({}))
    reward: RewardSettings
    align: AlignSettings
    evaluate: EvaluateSettings

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if name in (".", "..") or name != name.strip() or not name.isprintable() or set(name) & set("/\\"):
            raise ValueError(
                "a plain name is needed, since runs/NAME becomes a folder: no slash, no '..', no blanks around"
            )
        if len(name.encode()) > _MAX_NAME_BYTES:
            raise ValueError(f"a name of at most {_MAX_NAME_BYTES} bytes is needed, since runs/NAME becomes a folder")
        return name

    @field_validator("prompts")
    @classmethod
    def _holds_out_enough(cls, prompts: PromptsSettings) -> PromptsSettings:
        if prompts.held_out < MIN_HELD_OUT:
            raise ValueError(
                f"prompts.held_out must be at least {MIN_HELD_OUT} in a run, where policies are compared on them"
            )
        return prompts

    @field_validator("clean")
    @classmethod
    def _sets_validation_aside(cls, clean: CleanSettings) -> CleanSettings:
        if clean.validation_share == 0:
            raise ValueError("clean.validation_share must be above 0 in a run, where training is judged on those tasks")
        return clean


class TrainDataSettings(Settings):
    """Responses to train on, rated or compared."""

    train: str = Field(description="table of rated or compared responses, JSON lines or Parquet")
    validation: str = Field(description="the same, judged during training and never trained on")


class TrainRewardSettings(Settings):
    """`steersman train reward CONFIG.yaml`."""

    seed: int = Field(ge=0, description="every random choice follows from it")
    data: TrainDataSettings
    reward: RewardSettings
    estimate: EstimateSettings = Field(default_factory=lambda: EstimateSettings.model_validate({}))


class TrainDpoSettings(Settings):
    """`steersman train dpo CONFIG.yaml`."""

    seed: int = Field(ge=0, description="every random choice follows from it")
    data: TrainDataSettings
    align: AlignSettings
    estimate: EstimateSettings = Field(default_factory=lambda: EstimateSettings.model_validate({}))

    @model_validator(mode="after")
    def _method_is_dpo(self) -> Self:
        if self.align.method != "dpo":
            raise ValueError("align.method must be 'dpo' for steersman train dpo")
        return self
