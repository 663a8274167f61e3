"""Read what programs send: a bounded body, checked whole against its model; and declare it for the description."""

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from steersman.errors import DataError, join_faults
from steersman.web.requests import read_body

# a batch of some hundred tasks of long conversations
MAX_IMPORT_BYTES = 8 << 20
_SCHEMA_PLACE = "#/components/schemas/{model}"


class Body(BaseModel):
    """The base of all bodies: nothing is guessed, and nothing is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


B = TypeVar("B", bound=BaseModel)


async def small_body(request: Request) -> bytes:
    """Return the body of a request that holds one thing."""
    return await read_body(request)


async def large_body(request: Request) -> bytes:
    """Return the body of a request that brings many tasks."""
    return await read_body(request, max_bytes=MAX_IMPORT_BYTES)


def parsed(model: type[B], body: bytes) -> B:
    """Return a JSON body as `model`; raises DataError that names every fault."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise DataError(join_faults([f"{_place(each['loc'])}{each['msg']}" for each in found])) from error


def takes(model: type[BaseModel], *, is_required: bool = True) -> dict[str, object]:
    """Return what the description says of a route whose body is `model`."""
    schema: Mapping[str, object] = model.model_json_schema(ref_template=_SCHEMA_PLACE)
    return {"requestBody": {"required": is_required, "content": {"application/json": {"schema": schema}}}}


def _place(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(part) for part in location)}: " if location else ""
