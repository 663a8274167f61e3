"""The links in the bar of every page: only where the caller may go."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from steersman.web.permissions import Permission

# where a link leads, what it says, and what its page asks for; a test compares these with the routes
_RATING = (
    ("/task", "Rate", Permission.RATE),
    ("/guideline", "Guideline", Permission.RATE),
    ("/me", "My statistics", Permission.RATE),
)
_MANAGING = (
    ("/manage", "Dashboard", Permission.READ),
    ("/manage/annotators", "Annotators", Permission.READ),
    ("/manage/review", "Review", Permission.REVIEW),
    ("/manage/people", "People", Permission.PEOPLE),
    ("/manage/settings", "Settings", Permission.MANAGE),
    ("/manage/export", "Export", Permission.READ),
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link in the bar; `is_current` where the caller is on its page, or on one below it."""

    path: str
    title: str
    is_current: bool


def navigation(role: str, permissions: AbstractSet[Permission], *, path: str) -> list[Link]:
    """Return the links of a caller who is at `path`."""
    # those who manage may take part too; one way there is enough for them
    pages = _RATING if role == "annotator" else (*_MANAGING, _RATING[0])
    current = max((each for each, _, _ in pages if path == each or path.startswith(f"{each}/")), default=None, key=len)
    return [Link(each, title, each == current) for each, title, permission in pages if permission in permissions]
