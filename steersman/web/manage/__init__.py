"""The manager's and reviewer's pages below /manage."""

from fastapi import APIRouter

from steersman.web.manage.annotators import annotators_router
from steersman.web.manage.audit import audit_router
from steersman.web.manage.dashboard import dashboard_router
from steersman.web.manage.export import export_router
from steersman.web.manage.guidelines import guidelines_router
from steersman.web.manage.importing import importing_router
from steersman.web.manage.invitations import invitations_router
from steersman.web.manage.people import person_router
from steersman.web.manage.review import review_router
from steersman.web.manage.settings import settings_router
from steersman.web.manage.tokens import tokens_router
from steersman.web.site import Site

_ROUTERS = (
    dashboard_router,
    annotators_router,
    review_router,
    invitations_router,
    person_router,
    tokens_router,
    settings_router,
    guidelines_router,
    importing_router,
    export_router,
    audit_router,
)


def manage_router(site: Site) -> APIRouter:
    """Return the routes below /manage."""
    router = APIRouter()
    for make in _ROUTERS:
        router.include_router(make(site))
    return router
