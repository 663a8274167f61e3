"""Put the annotation site together: database, pages, API, errors and the headers of every answer."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI

from steersman.store.database.connection import open_database
from steersman.web.accounts import accounts_router
from steersman.web.api import api_router
from steersman.web.assets import STATIC, Assets
from steersman.web.explaining import explain_errors
from steersman.web.headers import SiteHeaders
from steersman.web.live.statistics import LiveStatistics
from steersman.web.manage import manage_router
from steersman.web.pages import pages_router
from steersman.web.rendering import templates
from steersman.web.service import Service
from steersman.web.site import Site


def create_app(database: str | Path, *, now: Callable[[], datetime], is_secure: bool = False) -> FastAPI:
    """Return the annotation site over an existing database; `now` gives aware times.

    `is_secure` says that people reach it by HTTPS. Raises DataError or RunError when the database cannot be used.
    """
    engine = open_database(database)
    live = LiveStatistics(engine, now)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        live.close()
        engine.dispose()

    site = Site(Service(engine, now, random.SystemRandom()), templates(), is_secure, live)
    app = FastAPI(
        title="Steersman annotation",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # a redirect to the address without the slash would name the host that the client named
        redirect_slashes=False,
        lifespan=lifespan,
    )
    for router in (accounts_router(site), pages_router(site), manage_router(site), api_router(site)):
        app.include_router(router)
    app.mount(STATIC, Assets(), name="static")
    app.add_middleware(SiteHeaders, is_secure=is_secure)
    explain_errors(app, site)
    return app
