"""The JSON API for programs, below /api/v1; bodies and errors are described by /api/v1/openapi.json."""

from fastapi import APIRouter

from steersman.web.site import Site


def api_router(site: Site) -> APIRouter:
    """Return the routes below /api."""
    del site
    return APIRouter(prefix="/api/v1")
