"""The request of the reward server, and every fault in it with its HTTP status."""

from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.backends.limits import ConversationTooLongError
from steersman.errors import DataError, SteersmanError, join_faults
from steersman.records import Message, prompt_to_text

MAX_ROWS = 256
MAX_BODY_BYTES = 8 << 20
# Of one prompt with its response, whatever the model's context: its mask alone has the square of so many bytes.
MAX_TOKENS = 16_384
# A longer row has more tokens than that in any language; it is refused before it is tokenised.
MAX_ROW_CHARACTERS = 16 * MAX_TOKENS

_JSON = "application/json"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})


class RequestTooLargeError(DataError):
    """More rows, characters or bytes than one request may hold."""


class MediaTypeError(DataError):
    """A body that is not declared as JSON."""


class ForeignHostError(DataError):
    """A request to a name that is not this server's."""


_STATUSES: dict[type[SteersmanError], int] = {
    RequestTooLargeError: 413,
    ConversationTooLongError: 413,
    MediaTypeError: 415,
    ForeignHostError: 421,
}


def http_status(error: SteersmanError) -> int:
    """Return the HTTP status of an error; 422 where there is no closer one."""
    return _STATUSES.get(type(error), 422)


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


def check_media_type(request: Request) -> None:
    """Raise MediaTypeError unless the body is declared as JSON: browsers send anything else for any web page."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise MediaTypeError(f"the body must be JSON; send it with the header 'Content-Type: {_JSON}'")


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

    Raises RequestTooLargeError for too many rows or characters, DataError that names every other fault.
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
    prompts, responses = _prompts(rows), [row.response for row in rows]
    lengths = [len(prompt) + len(response) for prompt, response in zip(prompts, responses, strict=True)]
    faults = [f"rows.{row} has {length}" for row, length in enumerate(lengths) if length > MAX_ROW_CHARACTERS]
    if faults:
        raise RequestTooLargeError(f"a row may have {MAX_ROW_CHARACTERS} characters; {join_faults(faults)}")
    return prompts, responses


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
