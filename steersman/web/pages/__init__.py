"""The annotator's pages: one task after the other, guideline, own progress."""

from fastapi import APIRouter

from steersman.web.pages.guideline import guideline_router
from steersman.web.pages.keeping import keeping_router
from steersman.web.pages.looking_back import looking_back_router
from steersman.web.pages.mine import mine_router
from steersman.web.pages.showing import Screen
from steersman.web.pages.tasks import tasks_router
from steersman.web.progress import ProgressBoard
from steersman.web.site import Site


def pages_router(site: Site) -> APIRouter:
    """Return the routes of the annotator's pages."""
    screen = Screen(site, ProgressBoard(site.engine))
    router = APIRouter()
    for part in (tasks_router(site, screen), looking_back_router(site, screen)):
        router.include_router(part)
    for part in (keeping_router(site), guideline_router(site), mine_router(site)):
        router.include_router(part)
    return router
