"""What annotators do, one transaction per call; pages and API are thin shells around it."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from steersman.annotation.checking import Checked, gold_verdict, qualification_verdict
from steersman.annotation.escalation import ratings_needed
from steersman.config.annotating import ProjectSettings
from steersman.store.database.answers import Answer, AnswerRules, Receipt, submit
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, Transaction, reading, writing
from steersman.store.database.doors import Holder
from steersman.store.database.faults import UnknownError
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
from steersman.store.database.people import Member, change_stage, memberships, read_member
from steersman.store.database.projects import read_guideline, read_project
from steersman.store.database.sessions import find_session
from steersman.store.database.tasks import count_kind
from steersman.store.database.tokens import find_token
from steersman.store.database.undoing import UndoRules, undo_last


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
            if project_id is not None:
                return read_member(connection, project_id, user_id)
            found = memberships(connection, user_id)
        if not found:
            raise UnknownError("you do not take part in any project; ask whoever invited you")
        return found[0]

    def claim(self, project_id: str, user_id: str) -> LeasedTask | None:
        """Return the task the annotator holds or now gets, None when there is nothing for them.

        In training and test the next such task comes; those who work get a gold task now and then.
        """
        self._take_back_expired()
        with writing(self.engine) as connection:
            settings = project_settings(connection, project_id)
            rules = self._claim_rules(settings)
            lock_member(connection, project_id, user_id)
            held = held_task(connection, project_id, user_id, now=self.now(), rules=rules)
            if held is not None:
                return held
            member = self._moved_on(connection, read_member(connection, project_id, user_id), settings=settings)
            for kind in self._kinds(member, settings=settings):
                task = claim(connection, project_id, user_id, kind=kind, now=self.now(), rules=rules)
                if task is not None:
                    return task
            return None

    def task(self, user_id: str, *, lease: str) -> LeasedTask:
        """Return the task under a lease of the annotator, whatever has become of it."""
        with reading(self.engine) as connection:
            return leased_task(connection, lease, user_id=user_id)

    def submit(self, user_id: str, *, answer: Answer) -> Receipt:
        """Keep an answer; safe to repeat. A test that is over, or too many wrong gold answers, moves its annotator."""
        with writing(self.engine) as connection:
            task = leased_task(connection, answer.lease, user_id=user_id)
            settings = project_settings(connection, task.project_id)
            overlap = settings.overlap
            needed = partial(ratings_needed, first=overlap.first, most=overlap.most, max_spread=overlap.max_spread)
            version = str(read_guideline(connection, task.project_id).version)
            rules = AnswerRules(version, needed, overlap.flags_to_end)
            receipt = submit(connection, answer, user_id=user_id, now=self.now(), rules=rules)
            if task.kind in ("qualification", "gold"):
                self._judge(connection, read_member(connection, task.project_id, user_id), settings, kind=task.kind)
            return receipt

    def feedback(self, user_id: str, *, lease: str) -> list[KnownRating]:
        """Return the right scores of a training task that was answered; empty for every other task."""
        with reading(self.engine) as connection:
            task = leased_task(connection, lease, user_id=user_id)
            if task.kind != "training":
                return []
            return [*known_ratings(connection, task.project_id, user_id, kind="training", lease=lease)]

    def heartbeat(self, user_id: str, *, lease: str) -> LeasedTask:
        """Renew a lease."""
        with writing(self.engine) as connection:
            rules = self._rules_of(connection, user_id, lease=lease)
            return heartbeat(connection, lease, user_id=user_id, now=self.now(), rules=rules)

    def save_draft(self, user_id: str, *, lease: str, draft: str) -> LeasedTask:
        """Keep what is half filled in, and renew the lease."""
        with writing(self.engine) as connection:
            rules = self._rules_of(connection, user_id, lease=lease)
            save_draft(connection, lease, user_id=user_id, draft=draft, now=self.now())
            return heartbeat(connection, lease, user_id=user_id, now=self.now(), rules=rules)

    def skip(self, user_id: str, *, lease: str, reason: str) -> None:
        """Give a task back, for someone else."""
        with writing(self.engine) as connection:
            skip(connection, lease, user_id=user_id, reason=reason, now=self.now())

    def undo(self, project_id: str, user_id: str) -> LeasedTask:
        """Take the annotator's last answer back."""
        with writing(self.engine) as connection:
            settings = project_settings(connection, project_id)
            rules = UndoRules(timedelta(minutes=settings.lease.undo_minutes), self._claim_rules(settings))
            return undo_last(connection, project_id, user_id, now=self.now(), rules=rules)

    def _take_back_expired(self) -> None:
        with reading(self.engine) as connection:
            is_needed = has_expired(connection, now=self.now())
        if is_needed:
            with writing(self.engine) as connection:
                take_back_expired(connection, now=self.now())

    def _claim_rules(self, settings: ProjectSettings) -> ClaimRules:
        return ClaimRules(timedelta(minutes=settings.lease.minutes), self.rng, settings.paused_deliveries)

    def _rules_of(self, connection: Transaction, user_id: str, *, lease: str) -> ClaimRules:
        task = leased_task(connection, lease, user_id=user_id)
        return self._claim_rules(project_settings(connection, task.project_id))

    def _moved_on(self, connection: Transaction, member: Member, *, settings: ProjectSettings) -> Member:
        """Return the member, moved behind a stage in which there is nothing left to do."""
        stage = member.stage
        if stage == "training" and self._num_left(connection, member, kind="training") == 0:
            stage = "qualifying"
        if stage == "qualifying" and (settings.qualification.responses == 0 or _has_no_test(connection, member)):
            stage = "working"
        if stage != member.stage:
            change_stage(connection, member, stage=stage, reason=None, by=Act(None, self.now()))
        return replace(member, stage=stage, reason=None) if stage != member.stage else member

    def _num_left(self, connection: Transaction, member: Member, *, kind: str) -> int:
        answered = known_ratings(connection, member.project_id, member.user_id, kind=kind)
        return count_kind(connection, member.project_id, kind=kind) - len({each.task_id for each in answered})

    def _kinds(self, member: Member, *, settings: ProjectSettings) -> tuple[str, ...]:
        if member.stage != "working":
            return {"training": ("training",), "qualifying": ("qualification",)}.get(member.stage, ())
        return ("gold", "rating") if self.rng.random() < settings.gold.share else ("rating",)

    def _judge(self, connection: Transaction, member: Member, settings: ProjectSettings, *, kind: str) -> None:
        found = known_ratings(connection, member.project_id, member.user_id, kind=kind)
        # what led to an earlier stage was judged then
        checked = [Checked(each.given, each.known) for each in found if each.created_at >= member.changed_at]
        by = Act(None, self.now())
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


def project_settings(connection: Transaction, project_id: str) -> ProjectSettings:
    """Return the settings that hold in a project; raises UnknownError when there is no such project."""
    return _parsed(json.dumps(dict(read_project(connection, project_id).settings), sort_keys=True))


@lru_cache(maxsize=64)
def _parsed(text: str) -> ProjectSettings:
    return ProjectSettings.model_validate_json(text)


def _has_no_test(connection: Transaction, member: Member) -> bool:
    return count_kind(connection, member.project_id, kind="qualification") == 0
