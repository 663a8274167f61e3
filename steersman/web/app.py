"""Put the annotation site together: database, pages, API, errors and the headers of every answer."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from steersman.errors import SteersmanError
from steersman.store.database.connection import open_database
from steersman.web.accounts import accounts_router
from steersman.web.api import api_router
from steersman.web.api.faults import explain_refusals
from steersman.web.faults import AccessError, TooManyTriesError, http_status
from steersman.web.live.statistics import LiveStatistics
from steersman.web.manage import manage_router
from steersman.web.pages import pages_router
from steersman.web.rendering import templates
from steersman.web.service import Service
from steersman.web.site import Site

_SEE_OTHER = 303
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # not "no-referrer": browsers would then send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(database: str | Path, *, now: Callable[[], datetime], is_secure: bool = False) -> FastAPI:
    """Return the annotation site over an existing database; `now` gives aware times.

    Raises DataError or RunError when the database cannot be used.
    """
    engine = open_database(database)
    live = LiveStatistics(engine, now)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        live.close()
        engine.dispose()

    site = Site(Service(engine, now, random.SystemRandom()), templates(), is_secure, live)
    app = FastAPI(title="Steersman annotation", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for router in (accounts_router(site), pages_router(site), manage_router(site), api_router(site)):
        app.include_router(router)
    app.mount("/static", StaticFiles(packages=[("steersman.web", "static")]), name="static")

    explain_refusals(app)

    @app.exception_handler(SteersmanError)
    async def explain(request: Request, error: SteersmanError) -> Response:
        return explained(site, request, error)

    @app.middleware("http")
    async def add_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers.update(_HEADERS)
        if is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if not request.url.path.startswith("/static/"):
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


def explained(site: Site, request: Request, error: SteersmanError) -> Response:
    """Return what a person or program is told of an error; whoever must log in first is sent there."""
    status = http_status(error)
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyTriesError) else {}
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": str(error)}, status, headers)
    if isinstance(error, AccessError) and request.method == "GET":
        return RedirectResponse("/login", _SEE_OTHER)
    response = site.page("error.html", caller=None, status=status, error=str(error))
    response.headers.update(headers)
    return response
