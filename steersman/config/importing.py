"""What `steersman import` is asked to do."""

from typing import Literal

from pydantic import Field

from steersman.config.loading import Settings


class ImportSettings(Settings):
    """One import: what, from where, and which pairs a ranking gives."""

    source: str = Field(min_length=1, description="name of the published collection")
    where: str | None = Field(None, description="file, folder or hub name; null = the pinned release")
    revision: str | None = Field(None, description="commit on the hub; null = the pinned one")
    pairs: Literal["all", "ends"] = Field("all", description="every pair of a ranking, or the best against the worst")
