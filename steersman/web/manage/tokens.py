"""Tokens by which programs use the API: made for somebody, shown once, revoked."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.errors import DataError
from steersman.store.database.audit import Act
from steersman.store.database.connection import writing
from steersman.store.database.faults import UnknownError
from steersman.store.database.people import read_user
from steersman.store.database.tokens import add_token, read_tokens, revoke_token
from steersman.web.guard import Caller
from steersman.web.manage.charge import check_may_act_on
from steersman.web.manage.people import person_page
from steersman.web.manage.shell import Form, Posted, check_form, go_to, shown_project
from steersman.web.permissions import SCOPES, Permission, useless_scopes
from steersman.web.site import Site

_MAX_DAYS = 3650
_MAX_LABEL = 80
_UNPROCESSABLE = 422


def tokens_router(site: Site) -> APIRouter:
    """Return the routes of a person's tokens."""
    router = APIRouter(prefix="/manage/people/{user_id}/tokens")

    @router.post("")
    def make(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)], form: Posted, project: str = ""
    ) -> HTMLResponse:
        check_form(form, caller)
        shown = shown_project(site, project)
        try:
            secret = _make(site, caller, user_id, form)
        except DataError as error:
            status = _UNPROCESSABLE
            return person_page(site, caller, shown, user_id, error=str(error), chosen=form.fields, status=status)
        return person_page(site, caller, shown, user_id, token=secret)

    @router.post("/{token_id}/revoke")
    def revoke(
        user_id: str,
        token_id: str,
        caller: Annotated[Caller, site.page_guard(Permission.PEOPLE)],
        form: Posted,
        project: str = "",
    ) -> Response:
        check_form(form, caller)
        with writing(site.engine) as connection:
            check_may_act_on(caller, read_user(connection, user_id))
            if all(each.token_id != token_id for each in read_tokens(connection, user_id)):
                raise UnknownError(f"{user_id} has no token {token_id[:40]!r}")
            revoke_token(connection, token_id, by=Act(caller.user_id, site.now()))
        return go_to(f"/manage/people/{user_id}", project=shown_project(site, project), done="revoked")

    return router


def _make(site: Site, caller: Caller, user_id: str, form: Form) -> str:
    label, scopes = form.text("label"), form.texts("scope")
    days = form.number("days", lowest=1, highest=_MAX_DAYS) if form.text("days") else None
    with writing(site.engine) as connection:
        user = read_user(connection, user_id)
        check_may_act_on(caller, user)
        if not 1 <= len(label) <= _MAX_LABEL:
            raise DataError(f"label: say in 1 to {_MAX_LABEL} characters what the token is for")
        if not scopes or not set(scopes) <= set(SCOPES):
            raise DataError(f"scope: choose at least one of {', '.join(SCOPES)}")
        if useless := useless_scopes(user.role, scopes):
            raise DataError(f"scope: {', '.join(useless)} is of no use to people of the role {user.role}")
        lasts = None if days is None else timedelta(days=days)
        by = Act(caller.user_id, site.now())
        return add_token(connection, user_id, label=label, scopes=scopes, by=by, lasts=lasts)[1]
