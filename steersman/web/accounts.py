"""Pages to log in, join by an invitation, change the password and log out."""

from fastapi import APIRouter

from steersman.web.site import Site


def accounts_router(site: Site) -> APIRouter:
    """Return the routes of accounts."""
    del site
    return APIRouter()
