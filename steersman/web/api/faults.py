"""What the API says when it refuses: one shape for every status; `web.explaining` gives it to every error."""

from typing import Any

from pydantic import BaseModel

_MEANINGS = {
    400: "a value that cannot be used",
    401: "no token, or one that nobody holds",
    403: "the token may not do this",
    404: "there is no such thing, or it is not this token's to see",
    409: "something else stands there already",
    413: "the body is too long",
    422: "a faulty request; every fault is named",
    503: "the database is busy; nothing was saved, try again",
}


class Fault(BaseModel):
    """Why a request was refused, in words for people."""

    error: str


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the description says of the refusals of a route."""
    return {status: {"model": Fault, "description": _MEANINGS[status]} for status in sorted(statuses)}
