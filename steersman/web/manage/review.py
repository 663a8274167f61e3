"""The review queue, and one task with everything that was said of it, for those who settle disagreements."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, MAX_SCORE, text_to_messages
from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, reading, retrying, writing
from steersman.store.database.faults import AlreadyAnsweredError
from steersman.store.database.projects import Project
from steersman.store.database.review_queue import doubted_answers, flagged_answers
from steersman.store.database.reviewed import read_reviewed_task
from steersman.store.database.reviewing import accept_answer, adjudicate, end_task, reject_answer, reopen_task
from steersman.web.faults import http_status
from steersman.web.guard import Caller
from steersman.web.manage.comparing import medians, preference_words, score_table
from steersman.web.manage.shell import LARGEST_NUMBER, Form, Posted, check_form, go_to, manage_page, needed_project
from steersman.web.permissions import Permission
from steersman.web.site import Site

_SHOWN = 25
_SLOTS = (0, 1)


def review_router(site: Site) -> APIRouter:
    """Return the routes of the review queue and of tasks under review."""
    router = APIRouter(prefix="/manage/review")

    @router.get("")
    def queue(
        caller: Annotated[Caller, site.page_guard(Permission.REVIEW)], project: str = "", task: str = ""
    ) -> Response:
        shown = needed_project(site, project)
        if task:
            return _task_page(site, caller, shown, task)
        with reading(site.engine) as connection:
            waiting: dict[str, object] = {
                "limit": _SHOWN,
                "flagged": flagged_answers(connection, shown.project_id, limit=_SHOWN),
                "doubted": doubted_answers(connection, shown.project_id, limit=_SHOWN),
            }
        found = site.live.look(shown.project_id)
        waiting["queue"] = None if found is None else found.queue
        return manage_page(site, "review.html", caller=caller, project=shown, context=waiting)

    @router.get("/{task_id:path}")
    def task(
        task_id: str, caller: Annotated[Caller, site.page_guard(Permission.REVIEW)], project: str = "", done: str = ""
    ) -> HTMLResponse:
        return _task_page(site, caller, needed_project(site, project), task_id, done=done)

    @router.post("/{task_id:path}")
    def decide(
        task_id: str, caller: Annotated[Caller, site.page_guard(Permission.REVIEW)], form: Posted, project: str = ""
    ) -> Response:
        check_form(form, caller)
        shown = needed_project(site, project)
        by = Act(caller.user_id, site.now())
        try:
            done = _decided(site, shown.project_id, task_id, form=form, by=by)
        except (DataError, AlreadyAnsweredError) as error:
            context = {"chosen": form.fields, "status": http_status(error)}
            return _task_page(site, caller, shown, task_id, error=str(error), **context)
        return go_to(f"/manage/review/{task_id}", project=shown, done=done)

    return router


def _task_page(site: Site, caller: Caller, project: Project, task_id: str, **context: object) -> HTMLResponse:
    with reading(site.engine) as connection:
        task = read_reviewed_task(connection, project.project_id, task_id)
    shown: dict[str, object] = {
        "task": task,
        "messages": text_to_messages(task.prompt),
        "tables": [score_table(task.answers, slot=slot) for slot in _SLOTS],
        "medians": [medians(task.answers, slot=slot) for slot in _SLOTS],
        "preference_words": preference_words,
        "attributes": ATTRIBUTES,
        "levels": range(MAX_SCORE + 1),
        "following": _following(site, project.project_id, task_id),
        "chosen": {},
    }
    return manage_page(site, "reviewed.html", caller=caller, project=project, context=shown | context)


def _following(site: Site, project_id: str, task_id: str) -> str | None:
    """Return the task that comes behind one in the queue, or the first of the queue; None when nothing waits."""
    found = site.live.look(project_id, patience_seconds=0.0)
    tasks = () if found is None else found.queue.tasks
    waiting = [each.task_id for each in tasks if not each.is_settled or each.task_id == task_id]
    if task_id in waiting:
        place = waiting.index(task_id)
        waiting = [*waiting[place + 1 :], *waiting[:place]]
    return waiting[0] if waiting else None


@retrying
def _decided(site: Site, project_id: str, task_id: str, *, form: Form, by: Act) -> str:
    with writing(site.engine) as connection:
        return _decide(connection, project_id, task_id, form=form, by=by)


def _decide(connection: Transaction, project_id: str, task_id: str, *, form: Form, by: Act) -> str:
    """Do what the form asks and return what was done, as a notice is called."""
    action = form.text("action")
    note = form.note()
    if action in _OF_ANSWERS:
        decide_answer, done = _OF_ANSWERS[action]
        decide_answer(connection, project_id, form.number("answer", lowest=1, highest=LARGEST_NUMBER), note=note, by=by)
        return done
    if action in _OF_TASKS:
        decide_task, done = _OF_TASKS[action]
        decide_task(connection, project_id, task_id, note=note, by=by)
        return done
    if action == "adjudicate":
        adjudicate(connection, project_id, task_id, scores=_final_scores(form), note=note, by=by)
        return "adjudicated"
    raise DataError(f"action {action[:40]!r} is not known; reload the page")


_OF_ANSWERS: Mapping[str, tuple[Callable[..., None], str]] = {
    "accept": (accept_answer, "accepted"),
    "reject": (reject_answer, "rejected"),
}
_OF_TASKS: Mapping[str, tuple[Callable[..., None], str]] = {
    "end": (end_task, "ended"),
    "reopen": (reopen_task, "reopened"),
}


def _final_scores(form: Form) -> list[list[int]]:
    levels = {str(level): level for level in range(MAX_SCORE + 1)}
    given = {(slot, name): levels.get(form.text(f"final_{slot}_{name}")) for slot in _SLOTS for name in ATTRIBUTES}
    faults = [
        f"response {slot + 1}: choose a level of {name}" for (slot, name), level in given.items() if level is None
    ]
    if faults:
        raise DataError(join_faults(faults))
    return [
        [level for (of_slot, _), level in given.items() if of_slot == slot and level is not None] for slot in _SLOTS
    ]
