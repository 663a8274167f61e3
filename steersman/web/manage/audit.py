"""The newest events of the audit log, of everybody, of one person, or on one task."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from steersman.store.database.audit import newest_events
from steersman.store.database.connection import reading
from steersman.store.database.reviewed import leases_of_task, tasks_of_leases
from steersman.web.guard import Caller
from steersman.web.manage.shell import RowNumber, manage_page, needed_project, shown_project
from steersman.web.permissions import Permission
from steersman.web.site import Site

_SHOWN = 100


def audit_router(site: Site) -> APIRouter:
    """Return the route of the audit log."""
    router = APIRouter(prefix="/manage/audit")

    @router.get("")
    def audit(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)],
        project: str = "",
        user: str = "",
        task: str = "",
        before: RowNumber = None,
    ) -> HTMLResponse:
        shown = needed_project(site, project) if task else shown_project(site, project)
        with reading(site.engine) as connection:
            leases = leases_of_task(connection, shown.project_id, task) if task and shown is not None else []
            subjects = [task, *leases] if task else []
            events = newest_events(connection, limit=_SHOWN, before=before, actor=user or None, subjects=subjects)
            tasks = tasks_of_leases(connection, [each.subject for each in events if each.subject])
        context = {"events": events, "tasks": tasks, "user": user, "task": task, "limit": _SHOWN}
        return manage_page(site, "audit.html", caller=caller, project=shown, context=context)

    return router
