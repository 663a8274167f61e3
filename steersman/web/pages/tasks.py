"""The rating page: show a task, and take what the annotator says of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from steersman.errors import SteersmanError
from steersman.store.database.faults import UnknownError
from steersman.web.answer_forms import RatingForm, answer_from_form, flagged_answer, skip_reason
from steersman.web.desk import Desk, Submitted
from steersman.web.faults import http_status
from steersman.web.guard import CSRF_FIELD, Caller
from steersman.web.pages.choosing import chosen_project, keep_choice
from steersman.web.pages.showing import Screen
from steersman.web.permissions import Permission
from steersman.web.requests import read_form
from steersman.web.site import Site

SAVED_COOKIE = "steersman_saved"
_SEE_OTHER = 303
_UNPROCESSABLE = 422
# a lease that ran out can still be answered
_ANSWERABLE = ("active", "expired")


async def posted(request: Request) -> RatingForm:
    """Return the form that a page sent."""
    return RatingForm(await read_form(request))


def tasks_router(site: Site, screen: Screen) -> APIRouter:
    """Return the routes of the rating page."""
    router = APIRouter()

    @router.get("/task")
    def show(
        request: Request, caller: Annotated[Caller, site.page_guard(Permission.RATE)], lease: str | None = None
    ) -> Response:
        """Show the task that the annotator holds or now gets, or the one under a lease of theirs."""
        desk = _desk(site, request, caller, lease=lease)
        if desk.task is not None and desk.task.state not in _ANSWERABLE:
            return RedirectResponse("/task", _SEE_OTHER)
        response = screen.desk(desk, caller, can_undo=SAVED_COOKIE in request.cookies)
        keep_choice(response, request, site=site)
        return response

    @router.post("/task/submit")
    def take(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.RATE)],
        form: Annotated[RatingForm, Depends(posted)],
    ) -> Response:
        """Keep an answer, flags or a skip, and go on to the next task; a script gets JSON and goes on by itself."""
        caller.check_form(form.text(CSRF_FIELD))
        is_script = request.headers.get("accept") == "application/json"
        try:
            done = _done(site, caller, form)
        except SteersmanError as error:
            if is_script:
                return JSONResponse({"error": str(error)}, http_status(error))
            if http_status(error) != _UNPROCESSABLE:
                raise
            desk = site.service.desk_of(caller.user_id, lease=form.text("lease"))
            return screen.desk(desk, caller, form=form, error=str(error))
        where = f"/task/feedback?lease={done.receipt.lease}" if done is not None and done.has_feedback else "/task"
        response = JSONResponse({"next": where}) if is_script else RedirectResponse(where, _SEE_OTHER)
        _remember(response, done, site=site)
        return response

    return router


def _desk(site: Site, request: Request, caller: Caller, *, lease: str | None) -> Desk:
    if lease is not None:
        return site.service.desk_of(caller.user_id, lease=lease)
    project_id = chosen_project(request)
    try:
        return site.service.open_desk(caller.user_id, project_id=project_id)
    except UnknownError:
        if project_id is None or "project" in request.query_params:
            raise
        # a project they have left, or somebody else's cookie on this machine
        return site.service.open_desk(caller.user_id, project_id=None)


def _done(site: Site, caller: Caller, form: RatingForm) -> Submitted | None:
    """Do what the form asks for and return what was done with its answer, None when it gives the task away."""
    action = form.text("action")
    if action == "skip":
        site.service.skip(caller.user_id, lease=form.text("lease"), reason=skip_reason(form))
        return None
    if action == "flag":
        return site.service.submitted(caller.user_id, answer=flagged_answer(form))
    answer, faults = answer_from_form(form)
    return site.service.submitted(caller.user_id, answer=answer, faults=faults)


def _remember(response: Response, done: Submitted | None, *, site: Site) -> None:
    """Let the browser know for how long the answer can be taken back."""
    seconds = 0 if done is None else int(done.undo_minutes * 60)
    if seconds > 0:
        response.set_cookie(SAVED_COOKIE, "1", max_age=seconds, secure=site.is_secure, httponly=True, samesite="strict")
