"""The settings of a project as a form, with all earlier versions; and new projects."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.config.annotating import ProjectSettings
from steersman.errors import ConfigError, DataError
from steersman.store.database.audit import Act
from steersman.store.database.connection import reading, writing
from steersman.store.database.locking import lock_project
from steersman.store.database.projects import Project, add_project, change_settings, read_project
from steersman.store.database.versions import SettingsVersion, settings_versions
from steersman.web.faults import http_status
from steersman.web.guard import Caller
from steersman.web.guideline import default_guideline
from steersman.web.manage.settings_form import (
    SettingsFaultError,
    changed_keys,
    parsed_settings,
    settings_form,
    values_of,
)
from steersman.web.manage.shell import Form, Posted, check_form, go_to, manage_page, needed_project
from steersman.web.permissions import Permission
from steersman.web.service import project_settings
from steersman.web.site import Site

_VERSIONS_SHOWN = 20
_MAX_TITLE = 200
_UNPROCESSABLE = 422


def settings_router(site: Site) -> APIRouter:
    """Return the routes of settings and new projects."""
    router = APIRouter(prefix="/manage/settings")

    @router.get("")
    def settings(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        shown = needed_project(site, project)
        with reading(site.engine) as connection:
            values = values_of(project_settings(connection, shown.project_id))
        return _settings_page(site, caller, shown, values=values, done=done)

    @router.post("")
    def change(
        caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = needed_project(site, project)
        sent = {name: form.lines(name) for name in form.fields}
        try:
            done = _change(site, shown, sent, by=Act(caller.user_id, site.now()))
        except SettingsFaultError as error:
            words = "Some settings cannot be used; each is named below."
            context = {"error": words, "faults": error.faults, "status": _UNPROCESSABLE}
            return _settings_page(site, caller, shown, values=sent, **context)
        except DataError as error:
            return _settings_page(site, caller, shown, values=sent, error=str(error), status=_UNPROCESSABLE)
        return go_to("/manage/settings", project=shown, done=done)

    @router.get("/new")
    def new_project(caller: Annotated[Caller, site.page_guard(Permission.MANAGE)]) -> HTMLResponse:
        return _new_page(site, caller)

    @router.post("/new")
    def make_project(caller: Annotated[Caller, site.page_guard(Permission.MANAGE)], form: Posted) -> Response:
        check_form(form, caller)
        try:
            made = _make(site, form, by=Act(caller.user_id, site.now()))
        except (ConfigError, DataError) as error:
            return _new_page(site, caller, error=str(error), chosen=form.fields, status=http_status(error))
        return go_to("/manage", project=made, done="created")

    return router


def _settings_page(
    site: Site, caller: Caller, project: Project, *, values: Mapping[str, str], **context: object
) -> HTMLResponse:
    with reading(site.engine) as connection:
        versions = settings_versions(connection, project.project_id, limit=_VERSIONS_SHOWN + 1)
    shown: dict[str, object] = {
        "sections": settings_form(values),
        # what the form was made from, so that two managers do not undo each other's changes unseen
        "base": values.get("base", str(project.settings_version)),
        "versions": _described(versions)[:_VERSIONS_SHOWN],
        "faults": {},
    }
    return manage_page(site, "settings.html", caller=caller, project=project, context=shown | context)


def _described(versions: list[SettingsVersion]) -> list[tuple[SettingsVersion, list[tuple[str, str, str]]]]:
    """Return each version with what it changed; nothing is said of the oldest one."""
    earlier = [*versions[1:], None]
    return [
        (each, changed_keys(before.settings, each.settings) if before is not None else [])
        for each, before in zip(versions, earlier, strict=True)
    ]


def _change(site: Site, project: Project, sent: Mapping[str, str], *, by: Act) -> str:
    settings = parsed_settings(sent)
    with writing(site.engine) as connection:
        lock_project(connection, project.project_id)
        newest = read_project(connection, project.project_id).settings_version
        if sent.get("base") != str(newest):
            raise DataError("somebody else changed the settings meanwhile; open this page anew and change them again")
        if settings == project_settings(connection, project.project_id):
            return "nothing"
        change_settings(connection, project.project_id, settings.model_dump(mode="json"), by=by)
    return "saved"


def _new_page(site: Site, caller: Caller, **context: object) -> HTMLResponse:
    shown: dict[str, object] = {"chosen": {}}
    return manage_page(site, "new_project.html", caller=caller, project=None, context=shown | context)


def _make(site: Site, form: Form, *, by: Act) -> Project:
    project_id, title = form.text("id"), form.text("title")
    if not 1 <= len(title) <= _MAX_TITLE:
        raise DataError(f"title: give the project a title of 1 to {_MAX_TITLE} characters")
    settings = ProjectSettings.model_validate({}).model_dump(mode="json")
    with writing(site.engine) as connection:
        add_project(connection, project_id, title=title, settings=settings, guideline=default_guideline(), by=by)
        return read_project(connection, project_id)
