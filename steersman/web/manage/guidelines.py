"""Write the guideline of a project: with a preview, and with all earlier versions at hand."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.errors import DataError
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.locking import lock_project
from steersman.store.database.projects import Project, change_guideline, read_guideline
from steersman.store.database.versions import guideline_versions_of
from steersman.web.guard import Caller
from steersman.web.manage.shell import Form, PostedLong, RowNumber, check_form, go_to, manage_page, needed_project
from steersman.web.permissions import Permission
from steersman.web.site import Site

_MAX_LENGTH = 100_000
_UNPROCESSABLE = 422


def guidelines_router(site: Site) -> APIRouter:
    """Return the routes of the guideline editor."""
    router = APIRouter(prefix="/manage/settings/guideline")

    @router.get("")
    def guideline(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)],
        project: str = "",
        version: RowNumber = None,
        done: str = "",
    ) -> HTMLResponse:
        shown = needed_project(site, project)
        with reading(site.engine) as connection:
            found = read_guideline(connection, shown.project_id, version=version)
        old = found if version is not None else None
        return _guideline_page(site, caller, shown, markdown=found.markdown, old=old, done=done)

    @router.post("")
    def change(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], form: PostedLong, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = needed_project(site, project)
        markdown, base = form.lines("markdown"), form.text("base")
        if form.text("action") == "preview":
            return _guideline_page(site, caller, shown, markdown=markdown, base=base, preview=True)
        try:
            done = _change(site, shown, form, by=Act(caller.user_id, site.now()))
        except DataError as error:
            context = {"base": base, "status": _UNPROCESSABLE}
            return _guideline_page(site, caller, shown, markdown=markdown, error=str(error), **context)
        return go_to("/manage/settings/guideline", project=shown, done=done)

    return router


def _guideline_page(site: Site, caller: Caller, project: Project, *, markdown: str, **context: object) -> HTMLResponse:
    with reading(site.engine) as connection:
        versions = guideline_versions_of(connection, project.project_id)
    shown: dict[str, object] = {
        "markdown": markdown,
        "versions": versions,
        "base": str(versions[0].version),
        "highest": _MAX_LENGTH,
        "preview": False,
        "old": None,
    }
    return manage_page(site, "guideline.html", caller=caller, project=project, context=shown | context)


def _change(site: Site, project: Project, form: Form, *, by: Act) -> str:
    markdown = form.lines("markdown")
    if not markdown.strip() or len(markdown) > _MAX_LENGTH:
        raise DataError(f"the guideline needs 1 to {_MAX_LENGTH} characters, got {len(markdown)}")
    with writing(site.engine) as connection:
        lock_project(connection, project.project_id)
        newest = read_guideline(connection, project.project_id)
        if form.text("base") != str(newest.version):
            raise DataError("somebody else changed the guideline meanwhile; copy your text, and open this page anew")
        if markdown.strip() == newest.markdown.strip():
            return "nothing"
        change_guideline(connection, project.project_id, markdown, by=by)
    return "saved"
