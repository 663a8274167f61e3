"""In which project an annotator works: the one they chose, kept in a cookie, or else the one they joined first."""

from fastapi import Request
from fastapi.responses import Response

from steersman.store.database.faults import UnknownError
from steersman.store.database.people import Member
from steersman.web.guard import Caller
from steersman.web.site import Site

_COOKIE = "steersman_project"
_YEAR_SECONDS = 365 * 86_400


def chosen_project(request: Request) -> str | None:
    """Return the project that the address or the cookie names; the caller need not take part in it."""
    return request.query_params.get("project") or request.cookies.get(_COOKIE)


def chosen_member(site: Site, request: Request, caller: Caller) -> Member:
    """Return the caller's membership; raises UnknownError when they take part in no project."""
    asked = request.query_params.get("project")
    if asked is not None:
        return site.service.project_of(caller.user_id, project_id=asked)
    try:
        return site.service.project_of(caller.user_id, project_id=request.cookies.get(_COOKIE))
    except UnknownError:
        # a project they have left, or somebody else's cookie on this machine
        return site.service.project_of(caller.user_id, project_id=None)


def keep_choice(response: Response, request: Request, *, site: Site) -> None:
    """Keep the project that the address names, which must be one that the caller takes part in."""
    asked = request.query_params.get("project")
    if asked is not None:
        response.set_cookie(
            _COOKIE, asked, max_age=_YEAR_SECONDS, secure=site.is_secure, httponly=True, samesite="strict"
        )
