"""What `steersman extrapolate` is asked to do."""

from pydantic import Field

from steersman.config.loading import Settings


class ExtrapolateSettings(Settings):
    """One extrapolation: weights = weak + factor x (strong - weak)."""

    weak: str = Field(min_length=1, description="run folder, model folder or hub name of where training came from")
    strong: str = Field(min_length=1, description="the same of where it went")
    factor: float = Field(gt=0, description="1 is the strong model, more goes beyond it")
