"""What annotators do, one transaction per call; pages and API are thin shells around it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from steersman.annotation.escalation import ratings_needed
from steersman.config.annotating import ProjectSettings
from steersman.errors import DataError, join_faults
from steersman.store.database.answers import Answer, AnswerRules, Receipt, submit
from steersman.store.database.connection import Database, Transaction, reading, retrying, writing
from steersman.store.database.doors import Holder
from steersman.store.database.faults import UnknownError
from steersman.store.database.former import former_answer
from steersman.store.database.holding import heartbeat, save_draft, skip
from steersman.store.database.known import KnownRating, known_ratings
from steersman.store.database.leases import (
    ClaimRules,
    LeasedTask,
    claim,
    has_expired,
    held_task,
    leased_task,
    lock_member,
    take_back_expired,
)
from steersman.store.database.next_task import has_rating_task
from steersman.store.database.people import Member, as_member, memberships, read_member
from steersman.store.database.projects import guideline_versions, mark_guideline_seen, newest_settings
from steersman.store.database.sessions import find_session
from steersman.store.database.standing import read_lease_standing, read_standing
from steersman.store.database.tokens import find_token
from steersman.store.database.undoing import UndoRules, undo_last
from steersman.web.answers import comparison_faults
from steersman.web.desk import Desk, Submitted
from steersman.web.drafts import draft_of_answer
from steersman.web.stages import IDLE_STAGES, judge, moved_on, stage_progress


@dataclass(frozen=True, slots=True)
class Service:
    """The annotators' side of a site; `now` gives aware times, `rng` draws sides and gold tasks."""

    engine: Database
    now: Callable[[], datetime]
    rng: random.Random

    def session_holder(self, secret: str) -> Holder | None:
        """Return whose session a text is."""
        with reading(self.engine) as connection:
            return find_session(connection, secret, now=self.now())

    def token_holder(self, secret: str) -> Holder | None:
        """Return whose token a text is."""
        with reading(self.engine) as connection:
            return find_token(connection, secret, now=self.now())

    def project_of(self, user_id: str, *, project_id: str | None) -> Member:
        """Return a user's membership, in the project they joined first when none is named."""
        with reading(self.engine) as connection:
            return read_member(connection, project_id or _first_project(connection, user_id), user_id)

    @retrying
    def claim(self, project_id: str, user_id: str) -> LeasedTask | None:
        """Return the task the annotator holds or now gets, None when there is nothing for them.

        In training and test the next such task comes; those who work get a gold task now and then.
        """
        self._take_back_expired()
        with writing(self.engine) as connection:
            settings = project_settings(connection, project_id)
            member = as_member(lock_member(connection, project_id, user_id))
            return self._claimed(connection, member, settings=settings)[1]

    @retrying
    def open_desk(self, user_id: str, *, project_id: str | None) -> Desk:
        """Return what the annotator's page starts from, in the project they joined first when none is named.

        No task is given while a guideline waits to be read.
        """
        self._take_back_expired()
        with writing(self.engine) as connection:
            if project_id is None:
                project_id = _first_project(connection, user_id)
            member = as_member(lock_member(connection, project_id, user_id))
            standing = read_standing(connection, project_id, user_id)
            settings, newest, seen = _parsed(standing.settings), standing.newest_guideline, standing.seen_guideline
            task = None
            if newest == seen or member.stage in IDLE_STAGES:
                member, task = self._claimed(connection, member, settings=settings)
            return Desk(member, settings, (newest, seen), task, stage_progress(connection, member, settings=settings))

    def desk_of(self, user_id: str, *, lease: str) -> Desk:
        """Return the page of one lease of the annotator, whatever has become of it."""
        with reading(self.engine) as connection:
            task = leased_task(connection, lease, user_id=user_id)
            member = read_member(connection, task.project_id, user_id)
            settings = project_settings(connection, task.project_id)
            versions = guideline_versions(connection, task.project_id, user_id)
            return Desk(member, settings, versions, task, stage_progress(connection, member, settings=settings))

    def task(self, user_id: str, *, lease: str) -> LeasedTask:
        """Return the task under a lease of the annotator, whatever has become of it."""
        with reading(self.engine) as connection:
            return leased_task(connection, lease, user_id=user_id)

    def submit(self, user_id: str, *, answer: Answer) -> Receipt:
        """Keep an answer; safe to repeat. A test that is over, or too many wrong gold answers, moves its annotator."""
        return self.submitted(user_id, answer=answer).receipt

    @retrying
    def submitted(self, user_id: str, *, answer: Answer, faults: Sequence[str] = ()) -> Submitted:
        """Keep an answer as above; raises DataError with the `faults` found so far and those of its comparison."""
        with writing(self.engine) as connection:
            lease = read_lease_standing(connection, answer.lease, user_id=user_id)
            standing = read_standing(connection, lease.project_id, user_id)
            settings = _parsed(standing.settings)
            # an answer that is only repeated was fine when it came first
            is_new = answer.revision >= lease.num_answers
            found = [*faults, *(comparison_faults(answer, form=settings.form) if is_new else ())]
            if found:
                raise DataError(join_faults(found))
            overlap = settings.overlap
            needed = partial(ratings_needed, first=overlap.first, most=overlap.most, max_spread=overlap.max_spread)
            version = str(standing.seen_guideline or standing.newest_guideline)
            rules = AnswerRules(version, needed, overlap.flags_to_end)
            timed = _bounded(answer, held_for=self.now() - datetime.fromisoformat(lease.claimed_at))
            receipt = submit(connection, timed, user_id=user_id, now=self.now(), rules=rules)
            if lease.kind in ("qualification", "gold"):
                member = read_member(connection, lease.project_id, user_id)
                judge(connection, member, settings=settings, kind=lease.kind, now=self.now())
            can_undo = lease.kind in ("rating", "gold")
            return Submitted(receipt, lease.kind == "training", settings.lease.undo_minutes if can_undo else 0.0)

    def feedback(self, user_id: str, *, lease: str) -> list[KnownRating]:
        """Return the right scores of a training task that was answered; empty for every other task."""
        with reading(self.engine) as connection:
            task = leased_task(connection, lease, user_id=user_id)
            if task.kind != "training":
                return []
            return [*known_ratings(connection, task.project_id, user_id, kind="training", lease=lease)]

    @retrying
    def heartbeat(self, user_id: str, *, lease: str) -> LeasedTask:
        """Renew a lease."""
        with writing(self.engine) as connection:
            rules = self._rules_of(connection, user_id, lease=lease)
            return heartbeat(connection, lease, user_id=user_id, now=self.now(), rules=rules)

    @retrying
    def save_draft(self, user_id: str, *, lease: str, draft: str) -> LeasedTask:
        """Keep what is half filled in, and renew the lease."""
        with writing(self.engine) as connection:
            rules = self._rules_of(connection, user_id, lease=lease)
            save_draft(connection, lease, user_id=user_id, draft=draft, now=self.now())
            return heartbeat(connection, lease, user_id=user_id, now=self.now(), rules=rules)

    @retrying
    def skip(self, user_id: str, *, lease: str, reason: str) -> None:
        """Give a task back, for someone else; raises DataError for one of training or test, which all must do."""
        with writing(self.engine) as connection:
            if read_lease_standing(connection, lease, user_id=user_id).kind in ("training", "qualification"):
                raise DataError("tasks of training and test cannot be given to someone else")
            skip(connection, lease, user_id=user_id, reason=reason, now=self.now())

    @retrying
    def undo(self, project_id: str, user_id: str) -> LeasedTask:
        """Take the annotator's last answer back; it becomes the draft of the task that is held again."""
        with writing(self.engine) as connection:
            settings = project_settings(connection, project_id)
            rules = UndoRules(timedelta(minutes=settings.lease.undo_minutes), self._claim_rules(settings))
            task = undo_last(connection, project_id, user_id, now=self.now(), rules=rules)
            former = former_answer(connection, task.lease)
            if former is None:
                return task
            draft = draft_of_answer(former, now=self.now())
            save_draft(connection, task.lease, user_id=user_id, draft=draft, now=self.now())
            return replace(task, draft=draft)

    @retrying
    def read_guideline(self, project_id: str, user_id: str, *, version: int) -> None:
        """Keep that the annotator has read a version of the guideline."""
        with writing(self.engine) as connection:
            read_member(connection, project_id, user_id)
            mark_guideline_seen(connection, project_id, user_id, version=version, now=self.now())

    def _take_back_expired(self) -> None:
        with reading(self.engine) as connection:
            is_needed = has_expired(connection, now=self.now())
        if is_needed:
            with writing(self.engine) as connection:
                take_back_expired(connection, now=self.now())

    def _claim_rules(self, settings: ProjectSettings) -> ClaimRules:
        return ClaimRules(timedelta(minutes=settings.lease.minutes), self.rng, settings.paused_deliveries)

    def _claimed(
        self, connection: Transaction, member: Member, *, settings: ProjectSettings
    ) -> tuple[Member, LeasedTask | None]:
        """Return the member, perhaps in a new stage, and the task they hold or now get. The member must be locked."""
        rules, project_id, user_id = self._claim_rules(settings), member.project_id, member.user_id
        held = held_task(connection, project_id, user_id, now=self.now(), rules=rules)
        if held is not None:
            return member, held
        member = moved_on(connection, member, settings=settings, now=self.now())
        for kind in self._kinds(connection, member, settings=settings):
            task = claim(connection, project_id, user_id, kind=kind, now=self.now(), rules=rules)
            if task is not None:
                return member, task
        return member, None

    def _rules_of(self, connection: Transaction, user_id: str, *, lease: str) -> ClaimRules:
        project_id = read_lease_standing(connection, lease, user_id=user_id).project_id
        return self._claim_rules(project_settings(connection, project_id))

    def _kinds(self, connection: Transaction, member: Member, *, settings: ProjectSettings) -> tuple[str, ...]:
        if member.stage != "working":
            return {"training": ("training",), "qualifying": ("qualification",)}.get(member.stage, ())
        if self.rng.random() >= settings.gold.share:
            return ("rating",)
        # a task that comes when all others are done would show what it is
        paused = settings.paused_deliveries
        is_hidden = has_rating_task(connection, member.project_id, member.user_id, paused_deliveries=paused)
        return ("gold", "rating") if is_hidden else ("rating",)


def _bounded(answer: Answer, *, held_for: timedelta) -> Answer:
    """Return an answer whose time at work is not longer than its task was held: a browser may say anything."""
    if answer.active_seconds is None:
        return answer
    return replace(answer, active_seconds=min(answer.active_seconds, max(0.0, held_for.total_seconds())))


def _first_project(connection: Transaction, user_id: str) -> str:
    found = memberships(connection, user_id)
    if not found:
        raise UnknownError("you do not take part in any project; ask whoever invited you")
    return found[0].project_id


def project_settings(connection: Transaction, project_id: str) -> ProjectSettings:
    """Return the settings that hold in a project; raises UnknownError when there is no such project."""
    return _parsed(newest_settings(connection, project_id))


@lru_cache(maxsize=64)
def _parsed(text: str) -> ProjectSettings:
    return ProjectSettings.model_validate_json(text)
