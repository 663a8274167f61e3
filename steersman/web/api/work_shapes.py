"""What annotators' programs send and get."""

from typing import Annotated, Literal

from pydantic import Field

from steersman.records import text_to_messages
from steersman.store.database.leases import LeasedTask
from steersman.web.api.bodies import Body
from steersman.web.api.shapes import ProjectId, Shown, Turn

_Lease = Annotated[str, Field(min_length=1, max_length=64)]
_MAX_DRAFT = 32_768
_MAX_REASON = 1000

Stage = Literal["training", "qualifying", "working", "paused", "failed", "left"]
# gold tasks look like all others
ShownKind = Literal["rating", "training", "qualification"]


class ClaimBody(Body):
    """Which project; the one this annotator joined first when none is named."""

    project: ProjectId | None = None


class LeaseBody(Body):
    """A lease that this annotator got."""

    lease: _Lease


class DraftBody(Body):
    """A lease, and what is half done under it, as any text."""

    lease: _Lease
    draft: Annotated[str, Field(max_length=_MAX_DRAFT)]


class SkipBody(Body):
    """A lease that is given back, and why."""

    lease: _Lease
    reason: Annotated[str, Field(max_length=_MAX_REASON)] = ""


class ShownTask(Shown):
    """A task to rate: the conversation, and the two responses in this annotator's order, left and right."""

    lease: str
    project: str
    task_id: str
    kind: ShownKind
    messages: list[Turn]
    responses: Annotated[list[str], Field(min_length=2, max_length=2)]
    expires_at: str
    state: str
    revision: int
    draft: str | None


class Claimed(Shown):
    """The task, null when there is nothing for this annotator; `stage` and `reason` say why."""

    task: ShownTask | None
    stage: Stage
    reason: str | None


class Received(Shown):
    """What was done with an answer; `surplus` when the task was finished without it."""

    lease: str
    task_id: str
    revision: int
    surplus: bool
    created_at: str


class Held(Shown):
    """What became of a lease: `active` is held, and lasts until `expires_at`."""

    lease: str
    state: Literal["active", "expired", "skipped", "done", "surplus", "withdrawn"]
    expires_at: str


class Skipped(Shown):
    """The lease that was given back."""

    lease: str


class Status(Shown):
    """How far the project and this annotator are."""

    annotator: str
    project: str
    stage: Stage
    reason: str | None
    guideline_version: str
    tasks: int
    finished: int
    answered: int


def shown_task(task: LeasedTask) -> ShownTask:
    """Return a task as its annotator may see it."""
    return ShownTask(
        lease=task.lease,
        project=task.project_id,
        task_id=task.task_id,
        kind="rating" if task.kind == "gold" else task.kind,
        messages=[Turn(role=turn.role, content=turn.content) for turn in text_to_messages(task.prompt)],
        responses=[task.left, task.right],
        expires_at=task.expires_at,
        state=task.state,
        revision=task.revision,
        draft=task.draft,
    )
