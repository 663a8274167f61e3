"""After an answer: take it back, or see what was right where that is shown."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from steersman.web.answer_forms import RatingForm
from steersman.web.guard import CSRF_FIELD, Caller
from steersman.web.pages.choosing import chosen_member
from steersman.web.pages.showing import Screen
from steersman.web.pages.tasks import SAVED_COOKIE, posted
from steersman.web.permissions import Permission
from steersman.web.site import Site

_SEE_OTHER = 303


def looking_back_router(site: Site, screen: Screen) -> APIRouter:
    """Return the routes that look at answers given before."""
    router = APIRouter()

    @router.post("/task/undo")
    def undo(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.RATE)],
        form: Annotated[RatingForm, Depends(posted)],
    ) -> Response:
        """Take the last answer back and show its task again, filled in as it was."""
        caller.check_form(form.text(CSRF_FIELD))
        member = chosen_member(site, request, caller)
        task = site.service.undo(member.project_id, caller.user_id)
        response = RedirectResponse(f"/task?lease={task.lease}", _SEE_OTHER)
        response.delete_cookie(SAVED_COOKIE, secure=site.is_secure, httponly=True, samesite="strict")
        return response

    @router.get("/task/feedback")
    def feedback(caller: Annotated[Caller, site.page_guard(Permission.RATE)], lease: str) -> Response:
        """Show what was right for a training task that was answered."""
        right = site.service.feedback(caller.user_id, lease=lease)
        if not right:
            return RedirectResponse("/task", _SEE_OTHER)
        task = site.service.task(caller.user_id, lease=lease)
        return screen.feedback(site.service.desk_of(caller.user_id, lease=lease), task, caller, right=right)

    return router
