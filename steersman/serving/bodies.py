"""The request of the reward server, and every fault in it."""

from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.errors import DataError, join_faults
from steersman.records import Message, prompt_to_text

MAX_ROWS = 256
MAX_BODY_BYTES = 8 << 20


class RequestTooLargeError(DataError):
    """More rows or bytes than one request may hold."""


class TurnBody(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["user", "assistant"]
    content: str


class RowBody(BaseModel):
    """A prompt, as HelpSteer2 text or as messages, and a response to it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    prompt: str | list[TurnBody]
    response: str


class ScoreBody(BaseModel):
    """The rows to score, in order."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    rows: Annotated[list[RowBody], Field(min_length=1)]


async def read_body(request: Request) -> bytes:
    """Return the body; raises RequestTooLargeError as soon as it passes 8 MiB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestTooLargeError(f"the request is longer than {MAX_BODY_BYTES} bytes; send fewer rows at a time")
    return bytes(body)


def parse_rows(body: bytes) -> tuple[list[str], list[str]]:
    """Return the prompts, in HelpSteer2's text form, and the responses of a request.

    Raises RequestTooLargeError for more than 256 rows, DataError that names every other fault.
    """
    try:
        rows = ScoreBody.model_validate_json(body).rows
    except ValidationError as error:
        faults = [
            f"{_place(each['loc'])}{each['msg']}" for each in error.errors(include_url=False, include_input=False)
        ]
        raise DataError(join_faults(faults)) from error
    if len(rows) > MAX_ROWS:
        raise RequestTooLargeError(f"one request may hold {MAX_ROWS} rows, got {len(rows)}; send them in parts")
    return _prompts(rows), [row.response for row in rows]


def _prompts(rows: list[RowBody]) -> list[str]:
    prompts, faults = [], []
    for number, row in enumerate(rows):
        try:
            prompts.append(_prompt_text(row.prompt))
        except ValueError as error:
            faults.append(f"rows.{number}.prompt: {error}")
    if faults:
        raise DataError(join_faults(faults))
    return prompts


def _prompt_text(prompt: str | list[TurnBody]) -> str:
    if isinstance(prompt, str):
        return prompt
    return prompt_to_text([Message(turn.role, turn.content) for turn in prompt])


def _place(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(part) for part in location)}: " if location else ""
