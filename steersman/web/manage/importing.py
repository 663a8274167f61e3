"""Import tasks by uploading files: all of them or none."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.errors import DataError
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading
from steersman.store.database.projects import Project
from steersman.store.database.task_tables import TASK_KINDS
from steersman.store.database.tasks import count_kind
from steersman.web.api.importing import import_batch
from steersman.web.faults import http_status
from steersman.web.guard import Caller
from steersman.web.manage.shell import check_form, manage_page, needed_project
from steersman.web.manage.uploading import MAX_TASKS, MAX_UPLOAD_BYTES, Uploaded, uploaded_batch
from steersman.web.permissions import Permission
from steersman.web.site import Site

_BYTES_PER_MEGABYTE = 1024 * 1024


def importing_router(site: Site) -> APIRouter:
    """Return the routes that import tasks."""
    router = APIRouter(prefix="/manage/settings/tasks")

    @router.get("")
    def tasks(caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], project: str = "") -> HTMLResponse:
        return _import_page(site, caller, needed_project(site, project))

    @router.post("")
    def import_tasks(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], upload: Uploaded, project: str = ""
    ) -> Response:
        check_form(upload.form, caller)
        shown = needed_project(site, project)
        chosen = upload.form.fields
        try:
            by = Act(caller.user_id, site.now())
            added = import_batch(site.engine, shown.project_id, uploaded_batch(upload), by=by)
        except DataError as error:
            return _import_page(site, caller, shown, error=str(error), chosen=chosen, status=http_status(error))
        return _import_page(site, caller, shown, added=added)

    return router


def _import_page(site: Site, caller: Caller, project: Project, **context: object) -> HTMLResponse:
    with reading(site.engine) as connection:
        counts = {kind: count_kind(connection, project.project_id, kind=kind) for kind in TASK_KINDS}
    shown: dict[str, object] = {
        "counts": counts,
        "kinds": TASK_KINDS,
        "max_tasks": MAX_TASKS,
        "max_megabytes": MAX_UPLOAD_BYTES // _BYTES_PER_MEGABYTE,
        "added": None,
        "chosen": {},
    }
    return manage_page(site, "import.html", caller=caller, project=project, context=shown | context)
