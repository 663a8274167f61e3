"""Types that several bodies and answers of the API share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from steersman.records import MAX_SCORE, MIN_SCORE

# what cannot be one of ours is refused before the database is asked
ProjectId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
UserId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")]
DoorId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Score = Annotated[int, Field(ge=MIN_SCORE, le=MAX_SCORE)]


class Shown(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Annotated[str, Field(pattern="^(user|assistant)$")]
    content: str
