"""The route by which tasks come into a project: a batch at a time, whole or not at all, harmless to repeat."""

from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from steersman.errors import DataError, join_faults
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, Transaction, writing
from steersman.store.database.faults import TakenError
from steersman.store.database.origin import Origin, add_origin, read_origin
from steersman.store.database.stored_tasks import stored_tasks
from steersman.store.database.tasks import NewTask, add_tasks
from steersman.web.api.bodies import large_body, parsed, takes
from steersman.web.api.faults import faults
from steersman.web.api.shapes import ProjectId
from steersman.web.api.task_shapes import Added, BatchBody, batch_ancestors, batch_faults, new_task
from steersman.web.guard import Caller
from steersman.web.permissions import Permission
from steersman.web.service import project_settings
from steersman.web.site import Site

_TAGS: list[str | Enum] = ["projects"]
_FAULTS = faults(401, 403, 404, 409, 413, 422, 503)


def add_importing(router: APIRouter, site: Site) -> None:
    """Add the route that takes tasks."""

    @router.post("/projects/{project_id}/tasks", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(BatchBody))
    def import_tasks(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.MANAGE)],
        body: Annotated[bytes, Depends(large_body)],
    ) -> Added:
        """Add tasks, all or none; those that are there already just as they come are passed over."""
        return import_batch(site.engine, project_id, parsed(BatchBody, body), by=Act(caller.user_id, site.now()))


def import_batch(engine: Database, project_id: str, batch: BatchBody, *, by: Act) -> Added:
    """Add a batch to a project, all or none; raises DataError that names what is wrong, TakenError for other tasks."""
    found = batch_faults(batch)
    if found:
        raise DataError(join_faults(found))
    tasks = [new_task(each) for each in batch.tasks]
    with writing(engine) as connection:
        settings = project_settings(connection, project_id)
        new = _not_there_yet(connection, project_id, tasks)
        _add_origin(connection, project_id, batch, by=by)
        add_tasks(connection, project_id, new, need=settings.overlap.first, by=by)
    return Added(added=len(new), known=len(tasks) - len(new))


def _not_there_yet(connection: Transaction, project_id: str, tasks: list[NewTask]) -> list[NewTask]:
    stored = stored_tasks(connection, project_id, [each.task_id for each in tasks])
    others = [each.task_id for each in tasks if stored.get(each.task_id, each) != each]
    if others:
        faults = [f"the project has another task {name!r}" for name in others]
        raise TakenError(f"{join_faults(faults)}; nothing was added")
    return [each for each in tasks if each.task_id not in stored]


def _add_origin(connection: Transaction, project_id: str, batch: BatchBody, *, by: Act) -> None:
    """Keep whose prompts and responses came, unless earlier batches said so; a project may come in thousands."""
    told = read_origin(connection, project_id)
    ancestors = batch_ancestors(batch)
    if not set(ancestors) <= set(told.ancestors) or (batch.simulated and not told.simulated):
        add_origin(connection, project_id, Origin(ancestors, {}, batch.simulated), now=by.now)
