"""Every page of the site, each in a state worth a look, for tests of what all pages must hold to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fastapi.routing import iter_route_contexts
from served_site import ServedSite, Side, served_site
from web_site import new_task

from steersman.store.database.tasks import NewResponse, NewTask

PEOPLE: Mapping[str, str] = {
    "mia": "working",
    "noa": "working",
    "lee": "working",
    "tom": "training",
    "pia": "paused",
    "kim": "working",
    "ada": "working",
}
SIDES = (Side((4, 3, 4, 2, 1)), Side((1, 0, 3, 1, 4)))
RICH = """A text with **all** that Markdown has: `code`, *words*, and ~~none~~ some.

1. one
2. two

> said before

```python
def a_function_with_a_long_name(first_argument: int, second_argument: int, third_argument: int) -> int: ...
```

| a | b | c | d | e | f | g |
|---|---|---|---|---|---|---|
| a wide cell | a wide cell | a wide cell | a wide cell | a wide cell | a wide cell | a wide cell |

A formula $a^2 + b^2 = c^2$, and AWordThatIsFarTooLongToStandInOneLineOfAPhoneAndMustBeBrokenSomewhereInTheMiddle.

$$\\sum_{i=0}^{n} \\frac{x_i^2}{1 + x_i} + \\sum_{j=0}^{n} \\frac{y_j^2}{1 + y_j} + \\frac{z^2}{1 + z}$$
"""


@dataclass(frozen=True, slots=True)
class PageOf:
    """A page: what it is called here, whose it is, its address, what the server answers, and what it must show."""

    name: str
    user_id: str | None
    path: str
    status: int = 200
    shows: str = "h1"


def all_pages(site: ServedSite) -> list[PageOf]:
    """Return every page, the strangers' first."""
    return [
        PageOf("login", None, "/login"),
        PageOf("join", None, site.invitation_link().removeprefix(site.url)),
        PageOf("stranger's error", None, "/join?code=gone", 404),
        PageOf("guideline", "mia", "/guideline"),
        PageOf("task", "mia", "/task"),
        PageOf("me", "mia", "/me"),
        PageOf("password", "mia", "/password"),
        PageOf("error", "mia", "/manage", 403),
        PageOf("feedback", "tom", f"/task/feedback?lease={site.last_lease('tom')}"),
        PageOf("first guideline", "tom", "/task"),
        PageOf("paused", "pia", "/task"),
        PageOf("nothing to do", "ada", "/task"),
        PageOf("dashboard", "mara", "/manage", shows="#live-agreement"),
        PageOf("annotators", "mara", "/manage/annotators", shows="a[href*=noa]"),
        PageOf("annotator", "mara", "/manage/annotators/noa", shows="svg"),
        PageOf("review", "mara", "/manage/review", shows="#disputed ~ .scroll a"),
        *(
            PageOf(path, "mara", path)
            for path in (
                "/manage?choose=1",
                "/manage/review/rating-0",
                "/manage/people",
                "/manage/people/mia",
                "/manage/settings",
                "/manage/settings/guideline",
                "/manage/settings/new",
                "/manage/settings/tasks",
                "/manage/deliveries",
                "/manage/export",
                "/manage/audit",
            )
        ),
    ]


def pages_left_out(site: ServedSite) -> list[str]:
    """Return the routes of pages that `all_pages` misses; what leads elsewhere or is a file is no page."""
    shown = {page.path.partition("?")[0] for page in all_pages(site)}
    found = [each for each in iter_route_contexts(site.app.routes) if "GET" in (each.methods or ())]
    routes = {each.path or "/" for each in found if not (each.path or "").startswith("/api/")}
    wanted = [path for path in sorted(routes - {"/"}) if not path.endswith(".jsonl")]
    return [path for path in wanted if not any(fnmatch(each, re.sub(r"\{.*?\}", "*", path)) for each in shown)]


@contextmanager
def filled_site(folder: Path) -> Iterator[ServedSite]:
    """Serve a site in which something was done."""
    left, right = (NewResponse(f"rich-{slot}", RICH, f"model-{slot}", None) for slot in range(2))
    rich = NewTask("rich", f"Prompt of rich?\n\n{RICH}", (left, right))
    tasks = [new_task(0, kind="training"), new_task(0), rich]
    with served_site(folder, tasks=tasks, people=PEOPLE) as site:
        for name in ("noa", "lee"):
            site.answer(name, SIDES, justification="It is right.")
        site.flag("kim", "pii")
        site.answer("tom", SIDES)
        # "rich" is then given out to as many as it needs
        for name in ("mia", "noa", "lee"):
            site.claim(name)
        yield site
