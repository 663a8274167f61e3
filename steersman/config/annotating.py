"""The settings of an annotation project; every change is a new version, and all versions are kept."""

from typing import Literal, Self

from pydantic import Field, model_validator

from steersman.config.loading import Settings
from steersman.records import MAX_SCORE


class OverlapSettings(Settings):
    """How many annotators rate a task (HelpSteer2 paper, 3.5)."""

    first: int = Field(3, ge=1, le=20, description="annotators whom every task gets")
    most: int = Field(5, ge=1, le=20, description="annotators a task gets in all when the first ones disagree")
    max_spread: int = Field(
        2, ge=0, le=MAX_SCORE, description="they disagree when helpfulness of a response differs by more levels"
    )
    flags_to_end: int = Field(
        2, ge=1, le=20, description="so many annotators who flag a task end it: nobody else gets it"
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.most < self.first:
            raise ValueError(f"overlap.most must be at least overlap.first, got {self.most} and {self.first}")
        return self


class FormSettings(Settings):
    """What the page asks beside the five scales."""

    confidence: bool = Field(True, description="ask how sure the annotator is of correctness")
    preference: Literal["off", "optional", "required"] = Field(
        "optional", description="ask which response is better and how much, -3 to 3, with a written justification"
    )
    min_justification: int = Field(
        10, ge=0, le=1000, description="characters that the justification of a preference must have"
    )


class LeaseSettings(Settings):
    """For how long a task is held for somebody."""

    minutes: float = Field(
        20.0, gt=0, le=1440, description="a task nobody works on goes to someone else; an open page renews its lease"
    )
    undo_minutes: float = Field(10.0, ge=0, le=1440, description="for so long the last answer can be taken back")


class QualificationSettings(Settings):
    """The test before the first paid task."""

    responses: int = Field(35, ge=0, le=1000, description="responses to rate in the test; 0 = no test")
    tolerance: int = Field(1, ge=0, le=MAX_SCORE, description="a score is right when it is off by at most so much")
    pass_mark: float = Field(0.75, ge=0, le=1, description="share of all known scores that must be right")


class GoldSettings(Settings):
    """Tasks with known answers among the others."""

    share: float = Field(0.05, ge=0, le=0.5, description="share of gold tasks among those an annotator gets")
    tolerance: int = Field(1, ge=0, le=MAX_SCORE, description="helpfulness is right when it is off by at most so much")
    min_responses: int = Field(6, ge=1, description="nobody is paused on fewer gold responses")
    max_failures: float = Field(0.5, ge=0, le=1, description="a larger share of wrong ones among the last pauses")
    window: int = Field(20, ge=1, description="how many of the last gold responses count")

    @model_validator(mode="after")
    def _can_decide(self) -> Self:
        if self.window < self.min_responses:
            raise ValueError(
                f"gold.window must be at least gold.min_responses, got {self.window} and {self.min_responses}"
            )
        return self


class PaySettings(Settings):
    """For the forecast of costs."""

    per_hour: float | None = Field(None, gt=0, description="pay of an annotator; null = costs are not forecast")
    currency: str = Field("USD", min_length=1, max_length=8, description="of the pay")


class ProjectSettings(Settings):
    """How an annotation project works."""

    overlap: OverlapSettings = Field(default_factory=lambda: OverlapSettings.model_validate({}))
    form: FormSettings = Field(default_factory=lambda: FormSettings.model_validate({}))
    lease: LeaseSettings = Field(default_factory=lambda: LeaseSettings.model_validate({}))
    qualification: QualificationSettings = Field(default_factory=lambda: QualificationSettings.model_validate({}))
    gold: GoldSettings = Field(default_factory=lambda: GoldSettings.model_validate({}))
    pay: PaySettings = Field(default_factory=lambda: PaySettings.model_validate({}))
    paused_deliveries: tuple[str, ...] = Field((), description="deliveries whose tasks get no new annotators for now")
