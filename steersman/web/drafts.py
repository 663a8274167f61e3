"""What is half filled in on the rating page, as text that browser and database keep.

A draft is JSON: `at`, the server's time in milliseconds at which it was made, so that the newer of two can be told;
`active_seconds`, the time at work so far; `fields`, the values of the form by name.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.errors import DataError
from steersman.store.database.answers import Answer
from steersman.web.answer_forms import fields_of
from steersman.web.answers import MAX_ACTIVE_SECONDS, MAX_LEASE_LENGTH

_MAX_FIELDS = 40
_Name = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
_Value = Annotated[str, Field(max_length=8000)]


class Draft(BaseModel):
    """A draft as it is kept."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    at: Annotated[int, Field(ge=0)]
    active_seconds: Annotated[float, Field(ge=0, le=MAX_ACTIVE_SECONDS, allow_inf_nan=False)] = 0.0
    fields: Annotated[dict[_Name, Annotated[list[_Value], Field(max_length=8)]], Field(max_length=_MAX_FIELDS)]


class DraftBody(BaseModel):
    """What the page sends: a lease, and its draft."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lease: Annotated[str, Field(min_length=1, max_length=MAX_LEASE_LENGTH)]
    draft: Draft


class LeaseBody(BaseModel):
    """What the page sends to say that it is still open."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lease: Annotated[str, Field(min_length=1, max_length=MAX_LEASE_LENGTH)]


def read_draft_body(body: bytes) -> DraftBody:
    """Return what a page sent; raises DataError when no page of ours would send it."""
    try:
        return DraftBody.model_validate_json(body)
    except ValidationError as error:
        raise DataError("this draft cannot be read; reload the page") from error


def read_lease_body(body: bytes) -> str:
    """Return the lease that a page sent; raises DataError when there is none."""
    try:
        return LeaseBody.model_validate_json(body).lease
    except ValidationError as error:
        raise DataError("send the lease of the task, as JSON") from error


def read_draft(text: str | None) -> Draft | None:
    """Return a kept draft; None when there is none, or none that the page can use (programs keep what they like)."""
    try:
        return Draft.model_validate_json(text) if text else None
    except ValidationError:
        return None


def draft_text(draft: Draft, *, now: datetime) -> str:
    """Return a draft as it is kept; a browser's clock cannot put it into the future."""
    return draft.model_copy(update={"at": min(draft.at, milliseconds(now))}).model_dump_json()


def draft_of_answer(answer: Answer, *, now: datetime) -> str:
    """Return the draft that fills the form in as an answer did."""
    fields: Mapping[str, list[str]] = fields_of(answer)
    return json.dumps({"at": milliseconds(now), "active_seconds": answer.active_seconds or 0.0, "fields": fields})


def milliseconds(moment: datetime) -> int:
    """Return an aware time as browsers count it."""
    return int(moment.astimezone(UTC).timestamp() * 1000)
