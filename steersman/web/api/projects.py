"""The routes of projects: make them, change how they work, and see how far they are."""

from dataclasses import asdict
from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from steersman.config.annotating import ProjectSettings
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, reading, writing
from steersman.store.database.people import read_members
from steersman.store.database.projects import (
    add_project,
    change_guideline,
    change_settings,
    project_ids,
    read_guideline,
    read_project,
)
from steersman.store.database.tasks import count_tasks
from steersman.web.api.bodies import large_body, parsed, small_body, takes
from steersman.web.api.faults import faults
from steersman.web.api.project_shapes import (
    GuidelineBody,
    ProjectBody,
    Projects,
    ShownAgreement,
    ShownProgress,
    ShownProject,
    Version,
    shown_progress,
)
from steersman.web.api.shapes import ProjectId
from steersman.web.guard import Caller
from steersman.web.guideline import default_guideline
from steersman.web.permissions import Permission
from steersman.web.site import Site

_TAGS: list[str | Enum] = ["projects"]
_READ_FAULTS = faults(401, 403, 404, 422, 503)
_WRITE_FAULTS = faults(400, 401, 403, 404, 413, 422, 503)
_SmallBody = Annotated[bytes, Depends(small_body)]
_LargeBody = Annotated[bytes, Depends(large_body)]


def add_projects(router: APIRouter, site: Site) -> None:
    """Add the routes that make projects and show them."""
    taken = {**_WRITE_FAULTS, **faults(409)}

    @router.post("/projects", status_code=201, tags=_TAGS, responses=taken, openapi_extra=takes(ProjectBody))
    def make_project(caller: Annotated[Caller, site.api_guard(Permission.MANAGE)], body: _LargeBody) -> ShownProject:
        """Make a project without tasks."""
        new = parsed(ProjectBody, body)
        settings = new.settings or ProjectSettings.model_validate({})
        with writing(site.engine) as connection:
            add_project(
                connection,
                new.project,
                title=new.title,
                settings=settings.model_dump(mode="json"),
                guideline=new.guideline or default_guideline(),
                by=Act(caller.user_id, site.now()),
            )
            return _shown(connection, new.project)

    @router.get("/projects", tags=_TAGS, responses=faults(401, 403, 503))
    def list_projects(caller: Annotated[Caller, site.api_guard(Permission.READ)]) -> Projects:
        """Return all projects."""
        del caller
        with reading(site.engine) as connection:
            return Projects(projects=[_shown(connection, each) for each in project_ids(connection)])

    @router.get("/projects/{project_id}", tags=_TAGS, responses=_READ_FAULTS)
    def show_project(
        project_id: Annotated[ProjectId, Path()], caller: Annotated[Caller, site.api_guard(Permission.READ)]
    ) -> ShownProject:
        """Return one project."""
        del caller
        with reading(site.engine) as connection:
            return _shown(connection, project_id)


def add_figures(router: APIRouter, site: Site) -> None:
    """Add the routes that tell how far a project is and how far its annotators agree."""

    @router.get("/projects/{project_id}/progress", tags=_TAGS, responses=_READ_FAULTS)
    def show_progress(
        project_id: Annotated[ProjectId, Path()], caller: Annotated[Caller, site.api_guard(Permission.READ)]
    ) -> ShownProgress:
        """Return how far a project is."""
        del caller
        with reading(site.engine) as connection:
            read_project(connection, project_id)
            stages = [(each.stage, each.num_answered) for each in read_members(connection, project_id)]
            return shown_progress(project_id, count_tasks(connection, project_id), stages=stages)

    @router.get("/projects/{project_id}/agreement", tags=_TAGS, responses=_READ_FAULTS)
    def show_agreement(
        project_id: Annotated[ProjectId, Path()], caller: Annotated[Caller, site.api_guard(Permission.READ)]
    ) -> ShownAgreement:
        """Return how far annotators agree, by attribute and stage of cleaning, as `steersman agreement` would say."""
        del caller
        snapshot = site.live.look(project_id)
        if snapshot is None:
            return ShownAgreement(project=project_id, as_of=None, agreement={})
        found = {
            name: {stage: asdict(each) for stage, each in stages.items()} for name, stages in snapshot.agreement.items()
        }
        as_of = snapshot.cleaned_as_of.isoformat()
        return ShownAgreement.model_validate({"project": project_id, "as_of": as_of, "agreement": found})


def add_project_changes(router: APIRouter, site: Site) -> None:
    """Add the routes that change how a project works."""

    @router.put(
        "/projects/{project_id}/settings",
        tags=_TAGS,
        responses=_WRITE_FAULTS,
        openapi_extra=takes(ProjectSettings),
    )
    def put_settings(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.MANAGE)],
        body: _SmallBody,
    ) -> Version:
        """Add a version of all settings; keys that are left out take their usual values."""
        settings = parsed(ProjectSettings, body).model_dump(mode="json")
        with writing(site.engine) as connection:
            read_project(connection, project_id)
            by = Act(caller.user_id, site.now())
            return Version(version=change_settings(connection, project_id, settings, by=by))

    @router.put(
        "/projects/{project_id}/guideline",
        tags=_TAGS,
        responses=_WRITE_FAULTS,
        openapi_extra=takes(GuidelineBody),
    )
    def put_guideline(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.MANAGE)],
        body: _LargeBody,
    ) -> Version:
        """Add a version of the guideline; every annotator is shown it before their next task."""
        markdown = parsed(GuidelineBody, body).markdown
        with writing(site.engine) as connection:
            read_project(connection, project_id)
            by = Act(caller.user_id, site.now())
            return Version(version=change_guideline(connection, project_id, markdown, by=by))


def _shown(connection: Transaction, project_id: str) -> ShownProject:
    project = read_project(connection, project_id)
    return ShownProject(
        project=project_id,
        title=project.title,
        created_at=project.created_at,
        settings=ProjectSettings.model_validate(project.settings),
        settings_version=project.settings_version,
        guideline_version=read_guideline(connection, project_id).version,
    )
