"""The manager's pages: dashboard, annotators, review, users, settings, export."""

from fastapi import APIRouter

from steersman.web.site import Site


def manage_router(site: Site) -> APIRouter:
    """Return the routes below /manage."""
    del site
    return APIRouter(prefix="/manage")
