"""The dashboard of a project: progress, agreement, disagreements, pace, forecast; and the choice among projects."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response

from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.deliveries import read_priorities, set_priority
from steersman.store.database.locking import lock_project
from steersman.store.database.projects import change_settings, project_ids, read_project
from steersman.web.guard import Caller
from steersman.web.manage.charts import day_bars, share_bar
from steersman.web.manage.shell import Form, Posted, check_form, go_to, manage_page, needed_project, shown_project
from steersman.web.permissions import Permission
from steersman.web.service import project_settings
from steersman.web.site import Site

_DISPUTED_SHOWN = 10
_MAX_PRIORITY = 1000
# how the form names tasks that belong to no delivery; no delivery can be called so
_NO_DELIVERY = ""


def dashboard_router(site: Site) -> APIRouter:
    """Return the routes of the dashboard and of deliveries."""
    router = APIRouter(prefix="/manage")

    @router.get("")
    def dashboard(
        caller: Annotated[Caller, site.page_guard(Permission.READ)], project: str = "", choose: str = "", done: str = ""
    ) -> Response:
        shown = None if choose else shown_project(site, project)
        if shown is None:
            return _chooser(site, caller)
        found = site.live.look(shown.project_id)
        with reading(site.engine) as connection:
            paused = project_settings(connection, shown.project_id).paused_deliveries
        context: dict[str, object] = {
            "snapshot": found,
            "paused": paused,
            "disputed": _DISPUTED_SHOWN,
            "done": done,
        }
        charts: dict[str, object] = {"day_bars": day_bars, "share_bar": share_bar}
        return manage_page(site, "dashboard.html", caller=caller, project=shown, context=context | charts)

    @router.get("/deliveries")
    def deliveries(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], project: str = "", done: str = ""
    ) -> Response:
        shown = needed_project(site, project)
        with reading(site.engine) as connection:
            found = read_priorities(connection, shown.project_id)
            paused = project_settings(connection, shown.project_id).paused_deliveries
        context = {"deliveries": found, "paused": paused, "highest": _MAX_PRIORITY, "done": done}
        return manage_page(site, "deliveries.html", caller=caller, project=shown, context=context)

    @router.post("/deliveries")
    def change_delivery(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = needed_project(site, project)
        by = Act(caller.user_id, site.now())
        if form.text("action") == "priority":
            _set_priority(site, shown.project_id, form, by=by)
        else:
            _pause(site, shown.project_id, form, by=by)
        return go_to("/manage/deliveries", project=shown, done="saved")

    return router


def _chooser(site: Site, caller: Caller) -> Response:
    with reading(site.engine) as connection:
        projects = [read_project(connection, each) for each in project_ids(connection)]
    return manage_page(site, "projects.html", caller=caller, project=None, context={"projects": projects})


def _set_priority(site: Site, project_id: str, form: Form, *, by: Act) -> None:
    delivery = form.text("delivery")
    priority = form.number("priority", lowest=0, highest=_MAX_PRIORITY)
    named = None if delivery == _NO_DELIVERY else delivery
    with writing(site.engine) as connection:
        set_priority(connection, project_id, named, priority=priority, by=by)


def _pause(site: Site, project_id: str, form: Form, *, by: Act) -> None:
    delivery = form.text("delivery")
    with writing(site.engine) as connection:
        lock_project(connection, project_id)
        settings = project_settings(connection, project_id)
        others = tuple(each for each in settings.paused_deliveries if each != delivery)
        paused = (*others, delivery) if form.text("action") == "pause" and delivery else others
        if paused != settings.paused_deliveries:
            changed = settings.model_copy(update={"paused_deliveries": paused})
            change_settings(connection, project_id, changed.model_dump(mode="json"), by=by)
