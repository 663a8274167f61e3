"""What programs that manage projects send and get."""

from typing import Annotated, Literal

from pydantic import Field

from steersman.config.annotating import ProjectSettings
from steersman.store.database.tasks import TaskCounts
from steersman.web.api.bodies import Body
from steersman.web.api.shapes import ProjectId, Shown
from steersman.web.api.work_shapes import Stage

_MAX_TITLE = 200
_MAX_GUIDELINE = 200_000


class ProjectBody(Body):
    """A project to be made; settings and guideline that are left out are the usual ones."""

    project: ProjectId
    title: Annotated[str, Field(min_length=1, max_length=_MAX_TITLE)]
    settings: ProjectSettings | None = None
    guideline: Annotated[str, Field(min_length=1, max_length=_MAX_GUIDELINE)] | None = None


class GuidelineBody(Body):
    """What annotators are told, as Markdown; each is shown it before their next task."""

    markdown: Annotated[str, Field(min_length=1, max_length=_MAX_GUIDELINE)]


class ShownProject(Shown):
    """A project with the settings that hold."""

    project: str
    title: str
    created_at: str
    settings: ProjectSettings
    settings_version: int
    guideline_version: int


class Projects(Shown):
    """All projects, oldest first."""

    projects: list[ShownProject]


class Version(Shown):
    """The number of a version that now holds."""

    version: int


class ShownProgress(Shown):
    """How many rating tasks there are, are finished, and ended without their ratings; members by stage."""

    project: str
    tasks: int
    finished: int
    ended: int
    answers: int
    members: dict[Stage, int]


class ShownStage(Shown):
    """Agreement at one stage of cleaning; null is undefined, `reason` then says why."""

    kappa: float | None
    low: float | None
    high: float | None
    alpha: float | None
    random_raters: float | None
    tasks: int
    ratings: int
    reason: str | None


class ShownAgreement(Shown):
    """Agreement by attribute and stage, as of a time; empty while it is still being counted."""

    project: str
    as_of: str | None
    agreement: dict[str, dict[str, ShownStage]]


Format = Literal["jsonl"]


def shown_progress(project_id: str, counts: TaskCounts, *, stages: list[tuple[str, int]]) -> ShownProgress:
    """Return the progress of a project whose members are in `stages` and have given so many answers."""
    members: dict[str, int] = {}
    for stage, _ in stages:
        members[stage] = members.get(stage, 0) + 1
    return ShownProgress.model_validate(
        {
            "project": project_id,
            "tasks": counts.tasks,
            "finished": counts.finished,
            "ended": counts.ended,
            "answers": sum(answered for _, answered in stages),
            "members": members,
        }
    )
