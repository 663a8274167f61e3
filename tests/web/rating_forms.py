"""What a browser sends from the rating page, for the tests of the annotator's pages."""

import re
from collections.abc import Mapping

from httpx2 import Response
from web_site import Browser

from steersman.records import ATTRIBUTES
from steersman.web.answers import SIDES

Fields = dict[str, str | list[str]]


def lease_of(page: str) -> str:
    """Return the lease that a rating page is for."""
    found = re.search(r'name="lease" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def opened(browser: Browser) -> str:
    """Return the lease of the task that the browser gets."""
    return lease_of(browser.get("/task").text)


def full_form(lease: str, *, score: int = 3, **more: str | list[str]) -> Fields:
    """Return a whole answer: all scores the same, both safe, B slightly better."""
    scores: Fields = {f"{side}_{attribute}": str(score) for side in SIDES for attribute in ATTRIBUTES}
    rest: Mapping[str, str] = {
        "lease": lease,
        "revision": "0",
        "action": "rate",
        "left_unsafe": "0",
        "right_unsafe": "0",
        "strength": "1",
        "justification": "B is a little clearer.",
    }
    return {**scores, **rest, **more}


def rate(browser: Browser, *, score: int = 3, **more: str | list[str]) -> Response:
    """Answer the task that the browser gets."""
    return browser.submit("/task/submit", full_form(opened(browser), score=score, **more))


def error_of(page: str) -> str:
    """Return what a page says is wrong with a form."""
    found = re.search(r'<div class="error" role="alert">(.*?)</div>', page)
    assert found is not None, page
    return found[1]


def checked(page: str) -> list[str]:
    """Return name and value of every choice that a page has filled in."""
    tags = re.findall(r'name="([a-z_]+)" value="([^"]*)"(?: required)? checked', page)
    return [f"{name}={value}" for name, value in tags]
