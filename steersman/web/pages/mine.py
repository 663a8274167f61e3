"""The page of an annotator's own progress; it tells nothing of anybody else, and not which tasks had known answers."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response

from steersman.annotation.checking import Checked, Verdict, gold_verdict
from steersman.config.annotating import ProjectSettings
from steersman.store.database.connection import Transaction, reading
from steersman.store.database.known import known_ratings
from steersman.store.database.own_statistics import own_statistics
from steersman.store.database.people import Member, memberships
from steersman.store.database.projects import read_project
from steersman.web.guard import Caller
from steersman.web.guideline import SCALES
from steersman.web.pages.choosing import chosen_member
from steersman.web.permissions import Permission
from steersman.web.service import project_settings
from steersman.web.site import Site
from steersman.web.stages import stage_progress


def mine_router(site: Site) -> APIRouter:
    """Return the route of own statistics."""
    router = APIRouter()

    @router.get("/me")
    def show(request: Request, caller: Annotated[Caller, site.page_guard(Permission.RATE)]) -> Response:
        """Show what the annotator did so far."""
        member = chosen_member(site, request, caller)
        midnight = site.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with reading(site.engine) as connection:
            settings = project_settings(connection, member.project_id)
            projects = [read_project(connection, each.project_id) for each in memberships(connection, caller.user_id)]
            return site.page(
                "me.html",
                caller=caller,
                member=member,
                projects=projects,
                progress=stage_progress(connection, member, settings=settings),
                work=own_statistics(connection, member.project_id, caller.user_id, since=midnight),
                checks=_checks(connection, member, settings=settings, until=midnight),
                scales=SCALES,
            )

    return router


def _checks(connection: Transaction, member: Member, *, settings: ProjectSettings, until: datetime) -> str | None:
    """Return in a word how answers compare with known ones, None when too few are known.

    Only earlier days count, and only the word is told: who looks after each task must not see which one was gold.
    """
    found = known_ratings(connection, member.project_id, member.user_id, kind="gold")
    earlier = [Checked(each.given, each.known) for each in found if each.created_at < until.isoformat()]
    verdict: Verdict = gold_verdict(earlier, settings=settings.gold)
    if verdict.is_enough is None:
        return None
    return "well" if verdict.is_enough else "badly"
