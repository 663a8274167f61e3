"""Fill the templates of the annotator's pages.

The questions of a form that nobody has touched yet look the same to everybody: they are made once and kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import lru_cache

from fastapi.responses import HTMLResponse
from jinja2 import Environment
from markupsafe import Markup

from steersman.config.annotating import FormSettings
from steersman.records import text_to_messages
from steersman.store.database.connection import reading
from steersman.store.database.known import KnownRating
from steersman.store.database.leases import LeasedTask
from steersman.store.database.projects import guideline_versions, read_guideline
from steersman.web.answer_forms import RatingForm
from steersman.web.answers import SIDES
from steersman.web.desk import Desk
from steersman.web.drafts import Draft, milliseconds, read_draft
from steersman.web.guard import Caller
from steersman.web.guideline import (
    CONFIDENCE_LEVELS,
    FLAGS,
    NEITHER,
    SCALES,
    SKIP_REASONS,
    STRENGTHS,
    UNSAFE_REASONS,
)
from steersman.web.progress import ProgressBoard
from steersman.web.site import Site
from steersman.web.stages import IDLE_STAGES

LETTERS = dict(zip(SIDES, "AB", strict=True))
_UNPROCESSABLE = 422
# what fits into a low frame, so that the scales stand higher
_SHORT_LENGTH = 300
_SHORT_LINES = 4
_MAX_KEPT = 64
_Chosen = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Screen:
    """The rating page and what stands in its place."""

    site: Site
    board: ProgressBoard

    def desk(
        self,
        desk: Desk,
        caller: Caller,
        *,
        form: RatingForm | None = None,
        error: str | None = None,
        can_undo: bool = False,
    ) -> HTMLResponse:
        """Return the page of a desk: its task, or why there is none. `form` is what was sent and is wrong."""
        if desk.task is not None:
            return self._rating(desk, desk.task, caller, form=form, error=error, can_undo=can_undo)
        if desk.guideline[0] != desk.guideline[1] and desk.member.stage not in IDLE_STAGES:
            return guideline_page(self.site, caller, project_id=desk.member.project_id)
        counts = self.board.counts(desk.member.project_id)
        return self.site.page("finished.html", caller=caller, desk=desk, counts=counts, can_undo=can_undo)

    def feedback(self, desk: Desk, task: LeasedTask, caller: Caller, *, right: Sequence[KnownRating]) -> HTMLResponse:
        """Return the page that shows what was right for a training task."""
        return self.site.page(
            "feedback.html",
            caller=caller,
            desk=desk,
            messages=text_to_messages(task.prompt),
            rated=[(letter, text, each) for letter, text, each in zip("AB", _responses(task), right, strict=True)],
            scales=SCALES,
        )

    def _rating(
        self,
        desk: Desk,
        task: LeasedTask,
        caller: Caller,
        *,
        form: RatingForm | None,
        error: str | None,
        can_undo: bool,
    ) -> HTMLResponse:
        draft = read_draft(task.draft) or Draft(at=0, fields={})
        chosen: _Chosen = form.fields if form is not None else draft.fields
        asked = desk.settings.form
        can_skip = task.kind in ("rating", "gold")
        return self.site.page(
            "task.html",
            caller=caller,
            status=200 if error is None else _UNPROCESSABLE,
            desk=desk,
            task=task,
            messages=text_to_messages(task.prompt),
            sides=[
                (side, LETTERS[side], text, self._part("scales.html", chosen, asked=asked, side=side))
                for side, text in zip(SIDES, _responses(task), strict=True)
            ],
            is_short=all(_is_short(text) for text in _responses(task)),
            comparison=self._part("comparison.html", chosen, asked=asked),
            leaving=self._part("leaving.html", chosen, asked=asked, can_skip=can_skip),
            counts=self.board.counts(task.project_id),
            now=milliseconds(self.site.now()),
            draft_at=draft.at,
            active_seconds=draft.active_seconds,
            error=error,
            can_undo=can_undo,
        )

    def _part(self, name: str, chosen: _Chosen, **shown: object) -> Markup:
        pages = self.site.templates
        return _made(pages, name, chosen, tuple(shown.items())) if chosen else _kept(pages, name, **shown)


def guideline_page(site: Site, caller: Caller, *, project_id: str) -> HTMLResponse:
    """Return the page of the newest guideline, with what has changed since the caller read it last."""
    with reading(site.engine) as connection:
        newest, seen = guideline_versions(connection, project_id, caller.user_id)
        guideline = read_guideline(connection, project_id, version=newest)
        before = read_guideline(connection, project_id, version=seen) if seen not in (None, newest) else None
    changes = [] if before is None else changed_lines(before.markdown, guideline.markdown)
    return site.page(
        "guideline.html", caller=caller, guideline=guideline, is_read=newest == seen, changes=changes, scales=SCALES
    )


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that were taken out (`-`) or put in (`+`), in the order of the new text."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    # blank lines and the rules of tables say nothing
    return [(line[0], line[1:]) for line in list(lines)[2:] if line[0] in "+-" and line[1:].strip(" |:-")]


def _responses(task: LeasedTask) -> tuple[str, str]:
    return (task.left, task.right)


def _is_short(text: str) -> bool:
    return len(text) <= _SHORT_LENGTH and text.count("\n") < _SHORT_LINES


def _made(pages: Environment, name: str, chosen: _Chosen, shown: tuple[tuple[str, object], ...]) -> Markup:
    text = pages.get_template(name).render(
        chosen=chosen,
        letters=LETTERS,
        scales=SCALES,
        confidence_levels=CONFIDENCE_LEVELS,
        unsafe_reasons=UNSAFE_REASONS,
        strengths=STRENGTHS,
        neither=NEITHER,
        flags=FLAGS,
        skip_reasons=SKIP_REASONS,
        **dict(shown),
    )
    return Markup(text)


@lru_cache(maxsize=_MAX_KEPT)
def _kept(pages: Environment, name: str, **shown: FormSettings | str | bool) -> Markup:
    return _made(pages, name, {}, tuple(shown.items()))
