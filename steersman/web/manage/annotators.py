"""The annotators of a project: how each does, and what a manager may do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, reading, writing
from steersman.store.database.leases import lock_member
from steersman.store.database.people import as_member, change_stage, read_member, read_members
from steersman.store.database.projects import Project
from steersman.web.guard import Caller
from steersman.web.manage.charts import bias_bar
from steersman.web.manage.shell import Form, Posted, check_form, go_to, manage_page, needed_project
from steersman.web.permissions import Permission
from steersman.web.site import Site

_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Action:
    """What a manager may do with a member: from which stages, to which one, and whether it needs a reason."""

    title: str
    stages: tuple[str, ...]
    to: str
    needs_reason: bool


ACTIONS: Mapping[str, Action] = {
    "pause": Action("Pause", ("training", "qualifying", "working"), "paused", needs_reason=True),
    "resume": Action("Let work again", ("paused",), "working", needs_reason=False),
    "pass": Action("Pass the test", ("training", "qualifying", "failed"), "working", needs_reason=False),
    "fail": Action("Fail the test", ("training", "qualifying"), "failed", needs_reason=True),
    "remove": Action(
        "Remove from the project",
        ("training", "qualifying", "working", "paused", "failed"),
        "left",
        needs_reason=True,
    ),
    "return": Action("Take back into the project", ("left",), "working", needs_reason=False),
}


def annotators_router(site: Site) -> APIRouter:
    """Return the routes of annotators."""
    router = APIRouter(prefix="/manage/annotators")

    @router.get("")
    def annotators(
        caller: Annotated[Caller, site.page_guard(Permission.READ)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        shown = needed_project(site, project)
        found = site.live.look(shown.project_id)
        with reading(site.engine) as connection:
            members = read_members(connection, shown.project_id)
        reports = {} if found is None else {each.user_id: each for each in found.annotators}
        context: dict[str, object] = {
            "members": members,
            "reports": reports,
            "as_of": None if found is None else found.cleaned_as_of,
        }
        context |= {"done": done}
        return manage_page(site, "annotators.html", caller=caller, project=shown, context=context)

    @router.get("/{user_id}")
    def annotator(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.READ)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        return _annotator_page(site, caller, needed_project(site, project), user_id, done=done)

    @router.post("/{user_id}")
    def act(
        user_id: str, caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = needed_project(site, project)
        try:
            with writing(site.engine) as connection:
                _act(connection, shown.project_id, user_id, form=form, by=Act(caller.user_id, site.now()))
        except DataError as error:
            context = {"chosen": form.fields, "status": _UNPROCESSABLE}
            return _annotator_page(site, caller, shown, user_id, error=str(error), **context)
        return go_to(f"/manage/annotators/{user_id}", project=shown, done="saved")

    return router


def _annotator_page(site: Site, caller: Caller, project: Project, user_id: str, **context: object) -> HTMLResponse:
    with reading(site.engine) as connection:
        member = read_member(connection, project.project_id, user_id)
    found = site.live.look(project.project_id)
    reports = () if found is None else found.annotators
    shown: dict[str, object] = {
        "member": member,
        "report": next((each for each in reports if each.user_id == user_id), None),
        "actions": {name: each for name, each in ACTIONS.items() if member.stage in each.stages},
        "attributes": ATTRIBUTES,
        "bias_bar": bias_bar,
        "chosen": {},
    }
    return manage_page(site, "annotator.html", caller=caller, project=project, context=shown | context)


def _act(connection: Transaction, project_id: str, user_id: str, *, form: Form, by: Act) -> None:
    action = ACTIONS.get(form.text("action"))
    if action is None:
        raise DataError("this action is not known; reload the page")
    member = as_member(lock_member(connection, project_id, user_id))
    if member.stage not in action.stages:
        raise DataError(f"{user_id} is {member.stage} by now; look again before you decide")
    reason = form.note()
    if action.needs_reason and reason is None:
        raise DataError(f"reason: say why, {user_id} will read it")
    change_stage(connection, member, stage=action.to, reason=reason, by=by)
