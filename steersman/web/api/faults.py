"""What the API says when it refuses: one shape for every status, also for those that the framework makes."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from steersman.errors import join_faults

API_PREFIX = "/api/"
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


def explain_refusals(app: FastAPI) -> None:
    """Give the framework's own refusals below /api the shape of all others."""

    @app.exception_handler(RequestValidationError)
    async def explain_values(_request: Request, error: RequestValidationError) -> Response:
        found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"error": join_faults(found)}, 422)

    @app.exception_handler(HTTPException)
    async def explain_status(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith(API_PREFIX):
            return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
        return Response(str(error.detail), error.status_code, error.headers, "text/plain")
