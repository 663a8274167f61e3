"""The configs a user writes: a whole run, and one training verb at a time."""

from typing import Self

from pydantic import Field, model_validator

from steersman.config.loading import Settings
from steersman.config.sections import (
    AlignSettings,
    CleanSettings,
    CrowdSettings,
    EvaluateSettings,
    HumanDataSettings,
    PromptsSettings,
    ResponsesSettings,
    RewardSettings,
)


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


class TrainDataSettings(Settings):
    """Rated responses to train on; rows 2k and 2k+1 share a prompt."""

    train: str = Field(description="examples table (JSONL or Parquet)")
    validation: str = Field(description="examples table judged during training, never trained on")


class TrainRewardSettings(Settings):
    """`steersman train reward CONFIG.yaml`."""

    seed: int = Field(ge=0, description="every random choice follows from it")
    data: TrainDataSettings
    reward: RewardSettings


class TrainDpoSettings(Settings):
    """`steersman train dpo CONFIG.yaml`."""

    seed: int = Field(ge=0, description="every random choice follows from it")
    data: TrainDataSettings
    align: AlignSettings

    @model_validator(mode="after")
    def _method_is_dpo(self) -> Self:
        if self.align.method != "dpo":
            raise ValueError("align.method must be 'dpo' for steersman train dpo")
        return self
