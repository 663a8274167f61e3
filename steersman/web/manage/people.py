"""One person of the site: their role, whether they may come in, their projects, and a link to set a password."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from steersman.errors import ConfigError
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.invitations import NewInvitation, add_invitation
from steersman.store.database.people import add_member, change_user, memberships, read_user
from steersman.store.database.projects import Project, project_ids
from steersman.store.database.sessions import end_sessions_of
from steersman.store.database.tokens import read_tokens
from steersman.web.guard import Caller
from steersman.web.manage.charge import check_may_act, check_may_act_on, join_link, known_project
from steersman.web.manage.shell import Form, Posted, check_form, go_to, manage_page, shown_project
from steersman.web.permissions import SCOPES, Permission, managed_roles
from steersman.web.site import Site

_PASSWORD_DAYS = 3
_UNPROCESSABLE = 422


def person_router(site: Site) -> APIRouter:
    """Return the routes of one person."""
    router = APIRouter(prefix="/manage/people/{user_id}")

    @router.get("")
    def person(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        return person_page(site, caller, shown_project(site, project), user_id, done=done)

    @router.post("")
    def change(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = shown_project(site, project)
        try:
            _change(site, caller, user_id, form)
        except ConfigError as error:
            return person_page(site, caller, shown, user_id, error=str(error), status=_UNPROCESSABLE)
        return go_to(f"/manage/people/{user_id}", project=shown, done="saved")

    @router.post("/join")
    def join(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        with writing(site.engine) as connection:
            check_may_act_on(caller, read_user(connection, user_id))
            by = Act(caller.user_id, site.now())
            add_member(connection, known_project(connection, form), user_id, stage="training", by=by)
        return go_to(f"/manage/people/{user_id}", project=shown_project(site, project), done="saved")

    @router.post("/password")
    def password(
        request: Request,
        user_id: str,
        caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)],
        form: Posted,
        project: str = "",
    ) -> HTMLResponse:
        check_form(form, caller)
        with writing(site.engine) as connection:
            user = read_user(connection, user_id)
            check_may_act_on(caller, user)
            made = NewInvitation(user.role, user_id=user_id)
            lasts = timedelta(days=_PASSWORD_DAYS)
            _, secret = add_invitation(connection, made, by=Act(caller.user_id, site.now()), lasts=lasts)
        link = join_link(site, request, secret)
        return person_page(site, caller, shown_project(site, project), user_id, link=link, days=_PASSWORD_DAYS)

    return router


def person_page(site: Site, caller: Caller, project: Project | None, user_id: str, **context: object) -> HTMLResponse:
    """Return the page of one person; the context may hold what was done, went wrong, or is shown only once."""
    with reading(site.engine) as connection:
        user = read_user(connection, user_id)
        shown: dict[str, object] = {
            "user": user,
            "members": memberships(connection, user_id),
            "projects": project_ids(connection),
            "tokens": read_tokens(connection, user_id),
        }
    is_mine = user.user_id == caller.user_id
    may_act = is_mine or user.role in managed_roles(caller.role)
    shown |= {"may_act": may_act, "may_change": user.role in managed_roles(caller.role), "is_mine": is_mine}
    shown |= {"roles": managed_roles(caller.role), "scopes": list(SCOPES)}
    shown |= {"link": None, "token": None, "chosen": {}} | context
    return manage_page(site, "person.html", caller=caller, project=project, context=shown)


def _change(site: Site, caller: Caller, user_id: str, form: Form) -> None:
    role, is_active = form.text("role"), form.text("active") == "yes"
    with writing(site.engine) as connection:
        user = read_user(connection, user_id)
        check_may_act(caller, user.role)
        check_may_act(caller, role)
        by = Act(caller.user_id, site.now())
        change_user(connection, user_id, role=role, is_active=is_active, by=by)
        if not is_active:
            end_sessions_of(connection, user_id, now=by.now)
