"""The settings of `steersman annotate plan`: a design, the crowd that rates, the responses it rates, and what it costs.

docs/planning.md explains each of them. The number of tasks and the seed have no default.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from steersman.config.cleaning import CleanSettings
from steersman.config.loading import Settings
from steersman.config.sections import CrowdSettings
from steersman.records import MAX_SCORE

Difference = Annotated[float, Field(gt=0, lt=1)]

MOST_TASKS = 200_000


class DesignSettings(Settings):
    """How many annotators rate a task."""

    first: int = Field(3, ge=2, le=20, description="annotators whom every task gets")
    most: int = Field(5, ge=2, le=20, description="annotators a task gets in all when the first ones disagree")
    max_spread: int = Field(
        2, ge=0, le=MAX_SCORE, description="they disagree when helpfulness of a response differs by more levels"
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.most < self.first:
            raise ValueError(f"design.most must be at least design.first, got {self.most} and {self.first}")
        return self


class LabelSpread(Settings):
    """How the labels that annotators without any fault would give are spread, before they rate."""

    mean: float = Field(gt=0, lt=MAX_SCORE, description="mean label, in levels")
    sd: float = Field(gt=0, le=MAX_SCORE / 2, description="standard deviation of the labels, in levels")


class RelatedSpread(LabelSpread):
    """The same for an attribute that goes together with helpfulness."""

    correlation: float = Field(gt=-1, lt=1, description="Pearson correlation of the labels with those of helpfulness")


class QualitySettings(Settings):
    """How good the responses are. The defaults are the labels of HelpSteer2 (arXiv:2406.08673, table 2)."""

    helpfulness: LabelSpread = Field(LabelSpread(mean=2.8655, sd=1.2703), description="labels of helpfulness")
    correctness: RelatedSpread = Field(
        RelatedSpread(mean=2.9644, sd=1.2689, correlation=0.9430), description="labels of correctness"
    )
    coherence: RelatedSpread = Field(
        RelatedSpread(mean=3.6393, sd=0.6491, correlation=0.4979), description="labels of coherence"
    )
    complexity: RelatedSpread = Field(
        RelatedSpread(mean=1.7048, sd=0.6986, correlation=0.1805), description="labels of complexity"
    )
    verbosity: RelatedSpread = Field(
        RelatedSpread(mean=1.9999, sd=0.7571, correlation=0.0600), description="labels of verbosity"
    )
    pair_correlation: float = Field(
        0.0, ge=0, lt=1, description="how alike the two responses of a task are: correlation before the scale bends it"
    )


class PlanSettings(Settings):
    """A project to simulate before anybody is paid: `steersman annotate plan`."""

    seed: int = Field(ge=0, description="every random choice follows from it")
    tasks: int = Field(ge=10, le=MOST_TASKS, description="tasks to rate, each a prompt with two responses")
    design: DesignSettings = Field(default_factory=lambda: DesignSettings.model_validate({}))
    crowd: CrowdSettings = Field(default_factory=lambda: CrowdSettings.model_validate({}))
    quality: QualitySettings = Field(default_factory=lambda: QualitySettings.model_validate({}))
    clean: CleanSettings = Field(default_factory=lambda: CleanSettings.model_validate({}))
    seconds_per_rating: float = Field(90.0, gt=0, description="time for one annotator to rate one response")
    pay_per_hour: float | None = Field(None, gt=0, description="pay of an annotator; null = costs are not computed")
    currency: str | None = Field(None, min_length=1, description="name of the currency of the pay, only shown")
    replicates: int = Field(20, ge=2, le=1000, description="simulated projects, each with new responses and annotators")
    differences: tuple[Difference, ...] = Field(
        (0.02, 0.05, 0.1), min_length=1, description="differences in kappa between two guidelines that should be seen"
    )
    power: float = Field(0.8, gt=0.5, lt=1, description="chance to see such a difference when it is there")

    @model_validator(mode="after")
    def _enough_annotators(self) -> Self:
        if self.crowd.annotators < self.design.most:
            raise ValueError(
                f"crowd.annotators must be at least design.most, got {self.crowd.annotators} and {self.design.most}"
            )
        return self
