"""Tell people and programs of every error, in words and with the right status; what is our fault keeps its traceback.

A program gets `{"error": "..."}`, a person a page. Neither hears more than the error's own words: no inputs, no
internals.
"""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from steersman.errors import SteersmanError, join_faults
from steersman.web.faults import AccessError, TooManyTriesError, http_status
from steersman.web.guard import CSRF_HEADER, Caller
from steersman.web.headers import site_headers
from steersman.web.site import Site

LOGIN_PATH = "/login"
_OUR_FAULT = "something went wrong on our side; try again, and tell whoever runs this site if it goes on"
_WORDS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address; look at it once more",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address cannot be used in this way; go there from a page of this site",
}


def explain_errors(app: FastAPI, site: Site) -> None:
    """Let an app tell of its errors."""

    @app.exception_handler(SteersmanError)
    async def explain(request: Request, error: SteersmanError) -> Response:
        return explained(site, request, error)

    @app.exception_handler(HTTPException)
    async def explain_status(request: Request, error: HTTPException) -> Response:
        words = _WORDS.get(error.status_code, error.detail)
        return _answer(site, request, words, status=error.status_code, headers=error.headers or {})

    @app.exception_handler(RequestValidationError)
    async def explain_parameters(request: Request, error: RequestValidationError) -> Response:
        faults = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        return _answer(site, request, join_faults(faults), status=HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(ClientDisconnect)
    async def end(_request: Request, _error: ClientDisconnect) -> Response:
        # nobody is there to read it
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    @app.exception_handler(Exception)
    async def explain_fault(request: Request, _error: Exception) -> Response:
        # this answer passes no middleware; the server logs the error
        headers = site_headers(request.url.path, is_secure=site.is_secure)
        return _answer(site, request, _OUR_FAULT, status=HTTPStatus.INTERNAL_SERVER_ERROR, headers=headers)


def explained(site: Site, request: Request, error: SteersmanError) -> Response:
    """Return what a person or program is told of an error; whoever must log in first is sent there."""
    if isinstance(error, AccessError) and request.method == "GET" and not wants_json(request):
        return RedirectResponse(LOGIN_PATH, HTTPStatus.SEE_OTHER)
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyTriesError) else {}
    return _answer(site, request, str(error), status=http_status(error), headers=headers)


def wants_json(request: Request) -> bool:
    """Tell whether a program or a script of our pages asks, not a person who looks at the answer."""
    is_api = request.url.path.startswith("/api/")
    return is_api or CSRF_HEADER in request.headers or "application/json" in request.headers.get("accept", "")


def _answer(
    site: Site, request: Request, words: str, *, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    if wants_json(request):
        return JSONResponse({"error": words}, status, headers)
    caller = getattr(request.state, "caller", None)
    response = site.page(
        "error.html", caller=caller if isinstance(caller, Caller) else None, status=status, error=words
    )
    response.headers.update(headers or {})
    return response
