"""The settings of preference cleaning: how strengths of preference become a label (docs/decisions/0008)."""

from pydantic import Field

from steersman.config.loading import Settings


class PreferenceRules(Settings):
    """How several strengths of preference, from -3 to 3, become one; three are always kept, as HelpSteer2 does."""

    min_ratings: int = Field(
        2, ge=1, le=3, description="a task goes when fewer annotators found a response valid; HelpSteer2 does not say"
    )
    max_spread: int = Field(2, ge=0, le=6, description="a task goes when the kept strengths differ by more")
