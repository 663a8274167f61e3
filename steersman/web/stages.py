"""The way of an annotator through training, test and work: when one stage ends, and what comes next.

Each function runs inside the transaction of whoever calls it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from steersman.annotation.checking import Checked, gold_verdict, qualification_verdict
from steersman.config.annotating import ProjectSettings
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction
from steersman.store.database.known import known_ratings
from steersman.store.database.next_task import next_task
from steersman.store.database.people import Member, change_stage
from steersman.store.database.tasks import count_kind

# in these there is nothing to do
IDLE_STAGES = ("paused", "failed", "left")
_KINDS = {"training": "training", "qualifying": "qualification"}


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a member is in training (counted in tasks) or in the test (counted in responses)."""

    num_done: int
    num_all: int


def moved_on(connection: Transaction, member: Member, *, settings: ProjectSettings, now: datetime) -> Member:
    """Return the member, moved behind a stage in which there is nothing left to do."""
    stage = member.stage
    if stage == "training" and not _has_more(connection, member, kind="training"):
        stage = "qualifying"
    if stage == "qualifying" and (settings.qualification.responses == 0 or _has_no_test(connection, member)):
        stage = "working"
    if stage == member.stage:
        return member
    change_stage(connection, member, stage=stage, reason=None, by=Act(None, now))
    return replace(member, stage=stage, reason=None)


def judge(connection: Transaction, member: Member, *, settings: ProjectSettings, kind: str, now: datetime) -> None:
    """Move a member whose gold answers are too often wrong, or whose test is over."""
    found = known_ratings(connection, member.project_id, member.user_id, kind=kind)
    # what led to an earlier stage was judged then
    checked = [Checked(each.given, each.known) for each in found if each.created_at >= member.changed_at]
    by = Act(None, now)
    if kind == "gold" and member.stage == "working":
        verdict = gold_verdict(checked, settings=settings.gold)
        if verdict.is_enough is False:
            reason = "Too many of your latest ratings differ from what is known. Your manager has been told."
            change_stage(connection, member, stage="paused", reason=reason, by=by)
    if kind == "qualification" and member.stage == "qualifying":
        test = qualification_verdict(checked, settings=settings.qualification)
        if test.is_enough is not None:
            reason = f"{test.right_share:.0%} of the scores of your test were right."
            change_stage(connection, member, stage="working" if test.is_enough else "failed", reason=reason, by=by)


def stage_progress(connection: Transaction, member: Member, *, settings: ProjectSettings) -> StageProgress | None:
    """Return how far a member is in training or test, None in every other stage."""
    kind = _KINDS.get(member.stage)
    if kind is None:
        return None
    answered = known_ratings(connection, member.project_id, member.user_id, kind=kind)
    if kind == "training":
        num_all = count_kind(connection, member.project_id, kind=kind)
        return StageProgress(len({each.task_id for each in answered}), num_all)
    counted = [each for each in answered if each.created_at >= member.changed_at]
    return StageProgress(len(counted), settings.qualification.responses)


def _has_more(connection: Transaction, member: Member, *, kind: str) -> bool:
    return next_task(connection, member.project_id, member.user_id, kind=kind, paused_deliveries=()) is not None


def _has_no_test(connection: Transaction, member: Member) -> bool:
    return count_kind(connection, member.project_id, kind="qualification") == 0
