"""Our annotation site as it is compared: a database of made tasks, and annotators who have logged in."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from annotation_client import Browser
from annotation_cycles import CycleError, Visit
from annotation_made import PASSWORD, MadeTask, Person, make_site

# ten ratings and nothing else, as the rivals are asked
_TEN_RATINGS = {"gold": {"share": 0.0}, "form": {"preference": "off", "confidence": False}}


def make_own_site(place: Path, tasks: Sequence[MadeTask], *, people: int) -> list[Person]:
    """Make a database and return its annotators."""
    return make_site(place, tasks, people=people, settings=_TEN_RATINGS)


def log_in(url: str, person: Person, *, way: str) -> Visit:
    """Return the visit of an annotator: with a session for `pages`, with a token for `api`."""
    if way == "api":
        return Visit(url, way, headers={"Authorization": f"Bearer {person.token}"})
    return Visit(url, way, cookies=asyncio.run(session_cookies(url, person)))


async def session_cookies(url: str, person: Person) -> dict[str, str]:
    """Log in by the form of the login page and return the cookies of the session."""
    browser = Browser(url)
    reply = await browser.post_form("/login", {"name": person.name, "password": PASSWORD})
    browser.close()
    if reply.status != 303:
        raise CycleError(f"{person.name} could not log in: {reply.status} {reply.body[:200]!r}")
    return dict(browser.cookies)


def own_over_assigned(place: Path) -> tuple[int, int]:
    """Return how many tasks have more annotators than they need, and how many have any."""
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as connection:
        counts = connection.execute(
            "SELECT t.need, COUNT(*) FROM answers s JOIN tasks t ON t.task_key = s.task_key "
            "WHERE NOT s.surplus GROUP BY s.task_key"
        ).fetchall()
    return sum(count > need for need, count in counts), len(counts)
