"""How to score a file: the number format, what is written besides rewards, and on which machines."""

from typing import Literal, Self

from pydantic import Field, model_validator

from steersman.config.loading import Settings

AskedPrecision = Literal["auto", "bfloat16", "float32"]


class ScoreSettings(Settings):
    """What leaves the scores alone up to rounding, but for the columns of levels."""

    precision: AskedPrecision = Field(
        "auto", description="of matrix products; auto: bfloat16 where the device multiplies it in hardware"
    )
    probabilities: bool = Field(False, description="write the probability of every level of every attribute")
    ray: bool = Field(False, description="score on a Ray cluster")
    actors: int | None = Field(None, ge=1, description="so many models at once on the cluster; null = one per GPU")

    @model_validator(mode="after")
    def _actors_are_of_ray(self) -> Self:
        if self.actors is not None and not self.ray:
            raise ValueError("actors is for a Ray cluster; ask for ray as well")
        return self
