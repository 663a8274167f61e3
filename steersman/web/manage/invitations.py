"""The people of the site in a list, and the invitations by which they join."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from steersman.errors import ConfigError, DataError
from steersman.store.database.audit import Act, timestamp
from steersman.store.database.connection import reading, writing
from steersman.store.database.invitations import (
    Invitation,
    NewInvitation,
    add_invitation,
    read_invitations,
    revoke_invitation,
)
from steersman.store.database.people import read_users
from steersman.store.database.projects import Project, project_ids
from steersman.web.guard import Caller
from steersman.web.manage.charge import check_may_act, join_link, known_project
from steersman.web.manage.shell import Form, Posted, check_form, go_to, manage_page, shown_project
from steersman.web.permissions import Permission, managed_roles
from steersman.web.site import Site

_MAX_USES = 500
_MAX_DAYS = 90
_UNPROCESSABLE = 422


def invitations_router(site: Site) -> APIRouter:
    """Return the routes of the list of people and of invitations."""
    router = APIRouter(prefix="/manage/people")

    @router.get("")
    def people(
        caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        return _people_page(site, caller, shown_project(site, project), done=done)

    @router.post("")
    def invite(
        request: Request,
        caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)],
        form: Posted,
        project: str = "",
    ) -> HTMLResponse:
        check_form(form, caller)
        shown = shown_project(site, project)
        try:
            secret = _invite(site, caller, form)
        except (ConfigError, DataError) as error:
            return _people_page(site, caller, shown, error=str(error), chosen=form.fields, status=_UNPROCESSABLE)
        return _people_page(site, caller, shown, link=join_link(site, request, secret))

    @router.post("/invitations/{invitation_id}/revoke")
    def revoke(
        invitation_id: str,
        caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)],
        form: Posted,
        project: str = "",
    ) -> Response:
        check_form(form, caller)
        with writing(site.engine) as connection:
            for each in read_invitations(connection):
                if each.invitation_id == invitation_id:
                    check_may_act(caller, each.role)
            revoke_invitation(connection, invitation_id, by=Act(caller.user_id, site.now()))
        return go_to("/manage/people", project=shown_project(site, project), done="revoked")

    return router


def invitation_state(invitation: Invitation, *, now: str) -> str:
    """Return in one word whether a link still works at a time, or why not."""
    if invitation.revoked_at is not None:
        return "revoked"
    if invitation.num_uses >= invitation.max_uses:
        return "used"
    return "expired" if invitation.expires_at <= now else "open"


def _people_page(site: Site, caller: Caller, project: Project | None, **context: object) -> HTMLResponse:
    now = timestamp(site.now())
    with reading(site.engine) as connection:
        users, invitations, projects = read_users(connection), read_invitations(connection), project_ids(connection)
    shown: dict[str, object] = {
        "users": users,
        "invitations": [(each, invitation_state(each, now=now)) for each in invitations],
        "projects": projects,
        "roles": managed_roles(caller.role)[::-1],
        "limits": (_MAX_USES, _MAX_DAYS),
        "link": None,
        "chosen": {},
    }
    return manage_page(site, "people.html", caller=caller, project=project, context=shown | context)


def _invite(site: Site, caller: Caller, form: Form) -> str:
    role = form.text("role")
    check_may_act(caller, role)
    uses = form.number("uses", lowest=1, highest=_MAX_USES)
    days = form.number("days", lowest=1, highest=_MAX_DAYS)
    with writing(site.engine) as connection:
        joined = known_project(connection, form) if form.text("joins") else None
        if role == "annotator" and joined is None:
            raise DataError("joins: an annotator needs a project to work in")
        made = NewInvitation(role, project_id=joined, max_uses=uses)
        by = Act(caller.user_id, site.now())
        return add_invitation(connection, made, by=by, lasts=timedelta(days=days))[1]
