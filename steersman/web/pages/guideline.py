"""The page of the guideline, which also tells what has changed since the annotator read it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from steersman.errors import DataError
from steersman.web.answer_forms import RatingForm
from steersman.web.guard import CSRF_FIELD, Caller
from steersman.web.pages.choosing import chosen_member
from steersman.web.pages.showing import guideline_page
from steersman.web.pages.tasks import posted
from steersman.web.permissions import Permission
from steersman.web.site import Site

_SEE_OTHER = 303
_MAX_VERSION_DIGITS = 9


def guideline_router(site: Site) -> APIRouter:
    """Return the routes of the guideline."""
    router = APIRouter()

    @router.get("/guideline")
    def show(request: Request, caller: Annotated[Caller, site.page_guard(Permission.RATE)]) -> Response:
        """Show the newest guideline of the annotator's project."""
        member = chosen_member(site, request, caller)
        return guideline_page(site, caller, project_id=member.project_id)

    @router.post("/guideline/read")
    def read(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.RATE)],
        form: Annotated[RatingForm, Depends(posted)],
    ) -> Response:
        """Keep that the annotator has read a version, and go on to the tasks."""
        caller.check_form(form.text(CSRF_FIELD))
        version = form.text("version")
        if not (version.isascii() and version.isdigit() and len(version) <= _MAX_VERSION_DIGITS):
            raise DataError("this form names no version of the guideline; open the guideline again")
        member = chosen_member(site, request, caller)
        site.service.read_guideline(member.project_id, caller.user_id, version=int(version))
        return RedirectResponse("/task", _SEE_OTHER)

    return router
