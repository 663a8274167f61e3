"""The settings of cleaning: how ratings become labels. Where HelpSteer2 is silent, a rule is an option.

docs/cleaning.md explains each rule, docs/decisions/ why the defaults are what they are.
"""

from typing import Literal

from pydantic import Field

from steersman.config.loading import Settings
from steersman.config.preferences import PreferenceRules

Criterion = Literal["sum", "range", "variance"]
SelectOn = Literal["joint", "each", "helpfulness", "correctness", "coherence", "complexity", "verbosity"]
Aggregation = Literal["mean", "median", "majority", "dawid_skene", "rater_bias"]
Rounding = Literal["half_up", "half_even", "half_down"]


class TrustSettings(Settings):
    """Which annotators are not trusted, so that none of their ratings counts.

    Each share is drawn towards what is usual in the crowd as if `prior_responses` more responses had been rated that
    way, and nobody is judged on fewer than `min_responses`.
    """

    enabled: bool = Field(True, description="remove untrusted annotators before the most-agreeing ratings are chosen")
    min_responses: int = Field(20, ge=1, description="rated responses shared with others before anybody is judged")
    min_gold: int = Field(5, ge=1, description="answered gold responses before anybody is judged by them")
    prior_responses: float = Field(20.0, ge=0, description="weight of the crowd's average, in responses")
    min_agreement: float = Field(
        0.1, ge=-1, le=1, description="lowest quadratic kappa with the others, mean of the attributes"
    )
    max_constant: float = Field(0.8, gt=0, le=1, description="highest share of responses given the same five scores")
    max_gold_failures: float = Field(0.5, gt=0, le=1, description="highest share of gold responses failed")
    gold_tolerance: int = Field(1, ge=0, le=4, description="levels of helpfulness a gold answer may be off")
    gold_annotator: str = Field("gold", min_length=1, description="id under which the expected gold scores are given")
    min_speed_ratio: float = Field(
        0.25, ge=0, lt=1, description="lowest time taken, as a share of the others' for the same responses; 0 = any"
    )


class CleanSettings(Settings):
    """How ratings become labels."""

    keep: int = Field(3, ge=2, description="how many most-agreeing ratings of a response are kept")
    criterion: Criterion = Field(
        "sum", description="what agreement is measured by: sum of absolute pairwise differences, range, or variance"
    )
    select_on: SelectOn = Field(
        "joint",
        description="joint: the same ratings for all attributes, by all of them; an attribute: the same, by that one; "
        "each: every attribute for itself",
    )
    max_spread: int = Field(2, ge=0, le=4, description="a task goes when kept helpfulness ratings differ by more")
    min_ratings: int = Field(2, ge=1, description="a task goes when a response has fewer kept helpfulness ratings")
    aggregation: Aggregation = Field("mean", description="how scores become a label")
    rounding: Rounding = Field("half_up", description="what becomes of a label half between two levels")
    trust: TrustSettings = Field(default_factory=lambda: TrustSettings.model_validate({}))
    preferences: PreferenceRules = Field(default_factory=lambda: PreferenceRules.model_validate({}))
    validation_share: float = Field(0.1, ge=0, lt=1, description="share of tasks set aside as validation.jsonl")
    near_duplicates: float | None = Field(
        0.8, gt=0, le=1, description="prompts this similar (Jaccard) are kept on one side; null = equal prompts only"
    )
