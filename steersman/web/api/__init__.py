"""The JSON API for programs, below /api/v1; bodies and errors are described by /api/v1/openapi.json."""

from functools import cache

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from steersman.web.api.description import Description, description
from steersman.web.api.importing import add_importing
from steersman.web.api.people import add_invitations, add_people, add_tokens
from steersman.web.api.projects import add_figures, add_project_changes, add_projects
from steersman.web.api.streams import add_streams
from steersman.web.api.work import add_claiming, add_holding
from steersman.web.guard import open_to_all
from steersman.web.site import Site

# routers inside a router would hide their routes from the description
_ADDERS = (
    add_claiming,
    add_holding,
    add_projects,
    add_figures,
    add_project_changes,
    add_importing,
    add_streams,
    add_people,
    add_invitations,
    add_tokens,
)


def api_router(site: Site) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api/v1")
    for add in _ADDERS:
        add(router, site)

    @cache
    def described() -> Description:
        return description(router)

    @router.get("/openapi.json", dependencies=[open_to_all()], include_in_schema=False)
    def openapi() -> JSONResponse:
        """Return the description of this API."""
        return JSONResponse(described())

    return router
