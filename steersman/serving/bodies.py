"""The request of the reward server: who may send it, in which form, and our own body of rows."""

import re
from typing import Annotated, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.config.choices import one_fault_each
from steersman.errors import DataError, join_faults
from steersman.records import Message, prompt_to_text
from steersman.serving.faults import ForeignHostError, MediaTypeError, RequestTooLargeError, UnknownModelError
from steersman.serving.rows import Rows, check_rows

MAX_BODY_BYTES = 8 << 20

_JSON = "application/json"
# how pydantic calls the two forms of a prompt
_CHOICE = re.compile(r"str|list\[.*\]")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})
B = TypeVar("B", bound=BaseModel)


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


def check_host(request: Request, *, host: str) -> None:
    """Raise ForeignHostError unless the request was sent to `host`, where the server listens, or to a local name.

    A web page may point a name of its own at this machine and then read the answers. A server that listens on every
    address answers to every name: whoever opened it to a network knows those names, and we do not.
    """
    name = _host_name(request.headers.get("host", ""))
    if host not in _EVERY_ADDRESS and name not in _LOCAL_NAMES | {host.lower()}:
        raise ForeignHostError(f"this server is {host}, not {name!r}; call it {host}, or listen elsewhere with --host")


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


async def read_json(request: Request) -> bytes:
    """Return the body of a request that is declared as JSON: browsers send anything else for any web page.

    Raises MediaTypeError for another declaration, RequestTooLargeError as soon as the body passes 8 MiB.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise MediaTypeError(f"the body must be JSON; send it with the header 'Content-Type: {_JSON}'")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestTooLargeError(f"the request is longer than {MAX_BODY_BYTES} bytes; send fewer rows at a time")
    return bytes(body)


def parse(body: bytes, *, model: type[B]) -> B:
    """Return a body as `model`; raises DataError that names every fault and its place."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = one_fault_each(error.errors(include_url=False, include_input=False), choice=_CHOICE)
        faults = [f"{_place(each['loc'])}{each['msg'].removeprefix('Value error, ')}" for each in found]
        raise DataError(join_faults(faults)) from error


def check_model(asked: str | None, *, served: str) -> None:
    """Raise UnknownModelError when a request asks for another model than the one that is served."""
    if asked is not None and asked != served:
        raise UnknownModelError(f"the model {asked!r} is not served here; this server has {served!r}")


def parse_rows(body: bytes) -> Rows:
    """Return the rows of a request to /v1/score.

    Raises RequestTooLargeError for too many rows or characters, DataError that names every other fault.
    """
    rows = parse(body, model=ScoreBody).rows
    return check_rows(Rows(tuple(_prompts(rows)), tuple(row.response for row in rows)))


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
