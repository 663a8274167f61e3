"""The annotator's pages: one task after the other, guideline, own progress."""

from fastapi import APIRouter

from steersman.web.site import Site


def pages_router(site: Site) -> APIRouter:
    """Return the routes of the annotator's pages."""
    del site
    return APIRouter()
