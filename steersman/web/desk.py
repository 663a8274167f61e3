"""What the service hands to the annotator's pages."""

from dataclasses import dataclass

from steersman.config.annotating import ProjectSettings
from steersman.store.database.answers import Receipt
from steersman.store.database.leases import LeasedTask
from steersman.store.database.people import Member
from steersman.web.stages import StageProgress


@dataclass(frozen=True, slots=True)
class Desk:
    """What an annotator's page starts from; `guideline` is the newest version and the one they have read, if any."""

    member: Member
    settings: ProjectSettings
    guideline: tuple[int, int | None]
    task: LeasedTask | None
    progress: StageProgress | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was done with an answer, whether right scores are to be shown for it, and for how long it can be undone."""

    receipt: Receipt
    has_feedback: bool
    undo_minutes: float
