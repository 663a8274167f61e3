"""What the rating page sends while somebody works on it: drafts, and that it is still open."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from steersman.web.drafts import draft_text, read_draft_body, read_lease_body
from steersman.web.guard import CSRF_HEADER, Caller
from steersman.web.permissions import Permission
from steersman.web.requests import check_origin, read_body
from steersman.web.site import Site


async def _sent(request: Request) -> bytes:
    check_origin(request)
    return await read_body(request)


def keeping_router(site: Site) -> APIRouter:
    """Return the routes of drafts and heartbeats; both take and give JSON, and renew the lease."""
    router = APIRouter()

    @router.post("/task/draft")
    def save(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.RATE)],
        body: Annotated[bytes, Depends(_sent)],
    ) -> JSONResponse:
        """Keep what is half filled in."""
        caller.check_form(request.headers.get(CSRF_HEADER))
        sent = read_draft_body(body)
        text = draft_text(sent.draft, now=site.now())
        task = site.service.save_draft(caller.user_id, lease=sent.lease, draft=text)
        return JSONResponse({"state": task.state})

    @router.post("/task/heartbeat")
    def beat(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.RATE)],
        body: Annotated[bytes, Depends(_sent)],
    ) -> JSONResponse:
        """Renew the lease; `state` says what became of it."""
        caller.check_form(request.headers.get(CSRF_HEADER))
        task = site.service.heartbeat(caller.user_id, lease=read_lease_body(body))
        return JSONResponse({"state": task.state})

    return router
