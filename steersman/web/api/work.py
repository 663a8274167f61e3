"""The routes of annotators: take a task, answer it, keep it, give it back."""

from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from steersman.store.database.connection import reading
from steersman.store.database.people import read_member
from steersman.store.database.projects import read_guideline
from steersman.store.database.tasks import count_tasks
from steersman.web.answers import AnswerBody, answer_from_json
from steersman.web.api.bodies import parsed, small_body, takes
from steersman.web.api.faults import faults
from steersman.web.api.shapes import ProjectId
from steersman.web.api.work_shapes import (
    ClaimBody,
    Claimed,
    DraftBody,
    Held,
    LeaseBody,
    Received,
    SkipBody,
    Skipped,
    Status,
    shown_task,
)
from steersman.web.guard import Caller
from steersman.web.permissions import Permission
from steersman.web.site import Site

_FAULTS = faults(401, 403, 404, 413, 422, 503)
_TAGS: list[str | Enum] = ["annotators"]
_SmallBody = Annotated[bytes, Depends(small_body)]


def add_claiming(router: APIRouter, site: Site) -> None:
    """Add the routes that give tasks to annotators and take their answers."""
    service = site.service

    @router.post("/claim", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(ClaimBody, is_required=False))
    def claim(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Claimed:
        """Return the task this annotator holds or now gets; claiming again returns the same."""
        asked = parsed(ClaimBody, body or b"{}")
        member = service.project_of(caller.user_id, project_id=asked.project)
        task = service.claim(member.project_id, caller.user_id)
        if task is None:
            with reading(site.engine) as connection:
                member = read_member(connection, member.project_id, caller.user_id)
            return Claimed(task=None, stage=member.stage, reason=member.reason)
        return Claimed(task=shown_task(task), stage=member.stage, reason=member.reason)

    @router.post("/submit", tags=_TAGS, responses={**_FAULTS, **faults(409)}, openapi_extra=takes(AnswerBody))
    def submit(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Received:
        """Answer a task; sending the same answer again is harmless and gets the same receipt."""
        receipt = service.submit(caller.user_id, answer=answer_from_json(body))
        return Received.model_validate(receipt, from_attributes=True)

    @router.post(
        "/undo", tags=_TAGS, responses={**_FAULTS, **faults(409)}, openapi_extra=takes(ClaimBody, is_required=False)
    )
    def undo(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Claimed:
        """Take the last answer back and hold its task again."""
        asked = parsed(ClaimBody, body or b"{}")
        member = service.project_of(caller.user_id, project_id=asked.project)
        task = service.undo(member.project_id, caller.user_id)
        return Claimed(task=shown_task(task), stage=member.stage, reason=member.reason)


def add_holding(router: APIRouter, site: Site) -> None:
    """Add the routes for the time between claim and answer, and for one's own progress."""
    service = site.service

    @router.post("/heartbeat", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(LeaseBody))
    def heartbeat(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Held:
        """Renew a lease; `state` says what became of the task."""
        task = service.heartbeat(caller.user_id, lease=parsed(LeaseBody, body).lease)
        return Held.model_validate(task, from_attributes=True)

    @router.post("/draft", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(DraftBody))
    def save_draft(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Held:
        """Keep what is half done, and renew the lease."""
        draft = parsed(DraftBody, body)
        task = service.save_draft(caller.user_id, lease=draft.lease, draft=draft.draft)
        return Held.model_validate(task, from_attributes=True)

    @router.post("/skip", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(SkipBody))
    def skip(caller: Annotated[Caller, site.api_guard(Permission.RATE)], body: _SmallBody) -> Skipped:
        """Give a task back, for somebody else; this annotator does not get it again."""
        asked = parsed(SkipBody, body)
        service.skip(caller.user_id, lease=asked.lease, reason=asked.reason)
        return Skipped(lease=asked.lease)

    @router.get("/status", tags=_TAGS, responses=_FAULTS)
    def status(
        caller: Annotated[Caller, site.api_guard(Permission.RATE)], project: Annotated[ProjectId | None, Query()] = None
    ) -> Status:
        """Return how far this annotator and the project are."""
        member = service.project_of(caller.user_id, project_id=project)
        with reading(site.engine) as connection:
            counts = count_tasks(connection, member.project_id)
            guideline = read_guideline(connection, member.project_id)
        return Status(
            annotator=caller.user_id,
            project=member.project_id,
            stage=member.stage,
            reason=member.reason,
            guideline_version=str(guideline.version),
            tasks=counts.tasks,
            finished=counts.finished,
            answered=member.num_answered,
        )
