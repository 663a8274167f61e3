"""What all pages below /manage share: the chosen project, posted forms, notices, and the frame around a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from steersman.errors import DataError
from steersman.store.database.connection import reading
from steersman.store.database.projects import Project, project_ids, read_project
from steersman.web.guard import CSRF_FIELD, Caller
from steersman.web.requests import read_form
from steersman.web.site import Site

MAX_NOTE_LENGTH = 2000
# what a database holds as a number of a row
LARGEST_NUMBER = 2**31 - 1
RowNumber = Annotated[int | None, Query(ge=0, le=LARGEST_NUMBER)]
# a guideline in a form: each character takes up to twelve bytes
_MAX_LONG_BYTES = 1_500_000
# what `?done=` in an address may say; nobody can make the site say something else by a link
_NOTICES = {
    "saved": "Saved.",
    "accepted": "The answer is accepted.",
    "rejected": "The answer is rejected. Its place is free for somebody else.",
    "adjudicated": "The final scores are kept.",
    "ended": "The task has ended. Nobody else gets it.",
    "reopened": "The task is open again.",
    "revoked": "It can no longer be used.",
    "created": "The project is made. Now import tasks and invite annotators.",
    "nothing": "Nothing was changed.",
}


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a posted form."""

    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return a field without the blanks around it, empty when it was left out."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def texts(self, name: str) -> list[str]:
        """Return all values of a field that may be chosen several times."""
        return list(self.fields.get(name, ()))

    def lines(self, name: str) -> str:
        """Return a text of several lines as it was typed, with the line ends of this machine."""
        return next(iter(self.fields.get(name, ())), "").replace("\r\n", "\n")

    def number(self, name: str, *, lowest: int, highest: int) -> int:
        """Return a whole number; raises DataError that names the field when it is none or outside its bounds."""
        text = self.text(name)
        number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(highest)) + 1 else None
        if number is None or not lowest <= number <= highest:
            raise DataError(f"{name.replace('_', ' ')}: give a number from {lowest} to {highest}")
        return number

    def note(self) -> str | None:
        """Return the field `note`, None when it is empty; raises DataError when it is too long."""
        text = self.lines("note").strip()
        if len(text) > MAX_NOTE_LENGTH:
            raise DataError(f"note: write at most {MAX_NOTE_LENGTH} characters, got {len(text)}")
        return text or None


async def _read(request: Request) -> Form:
    return Form(await read_form(request))


async def _read_long(request: Request) -> Form:
    return Form(await read_form(request, max_bytes=_MAX_LONG_BYTES))


# the form of a request, usual or with a long text; the caller's guard must stand before it
Posted = Annotated[Form, Depends(_read)]
PostedLong = Annotated[Form, Depends(_read_long)]


def check_form(form: Form, caller: Caller) -> None:
    """Raise ForeignOriginError unless the form carries the anti-forgery text of the caller's session."""
    caller.check_form(form.text(CSRF_FIELD))


def shown_project(site: Site, named: str) -> Project | None:
    """Return the project that an address names, or the only one; None where several would fit.

    Raises UnknownError when there is none of this name.
    """
    with reading(site.engine) as connection:
        if named:
            return read_project(connection, named)
        ids = project_ids(connection)
        return read_project(connection, ids[0]) if len(ids) == 1 else None


def needed_project(site: Site, named: str) -> Project:
    """Return the project as above; raises DataError where several would fit, or there is none."""
    found = shown_project(site, named)
    if found is None:
        raise DataError("choose a project first: open /manage")
    return found


def manage_page(
    site: Site, name: str, *, caller: Caller, project: Project | None, context: Mapping[str, object]
) -> HTMLResponse:
    """Return a template below `manage/` in the frame of the manager's pages.

    In the context `done` names a notice, `error` says what went wrong, and `status` is that of the answer.
    """
    shown = {"error": None, "notice": _NOTICES.get(str(context.get("done", "")))} | dict(context)
    status = shown.pop("status", HTTPStatus.OK)
    status = status if isinstance(status, int) else HTTPStatus.OK
    return site.page(f"manage/{name}", caller=caller, status=status, project=project, **shown)


def go_to(path: str, *, project: Project | None, done: str) -> RedirectResponse:
    """Return the way back after a form: the page at `path` of the project, which then says what was done."""
    mine = f"project={project.project_id}&" if project is not None else ""
    return RedirectResponse(f"{quote(path)}?{mine}done={done}", HTTPStatus.SEE_OTHER)
