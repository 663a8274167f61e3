"""Put the annotation site together: database, pages, API, errors and the headers of every answer."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from steersman.errors import SteersmanError
from steersman.store.database.connection import open_database
from steersman.web.api import api_router
from steersman.web.faults import http_status
from steersman.web.pages import pages_router
from steersman.web.rendering import templates
from steersman.web.service import Service

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # not "no-referrer": browsers would then send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(database: Path, *, now: Callable[[], datetime]) -> FastAPI:
    """Return the annotation site over an existing database; `now` gives aware times.

    Raises DataError or RunError when the database cannot be used.
    """
    engine = open_database(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    pages = templates()
    app = FastAPI(title="Steersman annotation", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    service = Service(engine, now, random.SystemRandom())
    app.include_router(api_router(service))
    app.include_router(pages_router(service, templates=pages))
    app.mount("/static", StaticFiles(packages=[("steersman.web", "static")]), name="static")

    @app.exception_handler(SteersmanError)
    async def explain(request: Request, error: SteersmanError) -> Response:
        status = http_status(error)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": str(error)}, status)
        return HTMLResponse(pages.get_template("error.html").render(error=str(error), status=status), status)

    @app.middleware("http")
    async def add_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers.update(_HEADERS)
        if not request.url.path.startswith("/static/"):
            response.headers["Cache-Control"] = "no-store"
        return response

    return app
