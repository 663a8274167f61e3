"""One annotator's cycle, claim and submit, at each of the compared servers: the requests that its own pages send."""

import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from annotation_client import Browser, Reply, form_fields

from steersman.records import ATTRIBUTES

SIDES = ("left", "right")
_OK, _CREATED, _SEE_OTHER = 200, 201, 303
_LEASE = re.compile(r'name="lease" value="([^"]+)"')


class CycleError(Exception):
    """A reply that is not what a cycle needs; the message has its status and its beginning."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Where an annotator works and what lets them in: cookies of a session, or headers with a token.

    `project` numbers the project of Label Studio.
    """

    url: str
    way: str
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    project: int = 0

    def browser(self) -> Browser:
        """Return a browser that is logged in."""
        browser = Browser(self.url, headers=self.headers)
        browser.cookies.update(self.cookies)
        return browser


@dataclass(frozen=True, slots=True)
class Cycle:
    """The seconds that the two halves of a cycle took."""

    claim_seconds: float
    submit_seconds: float


async def cycle(browser: Browser, visit: Visit, *, rng: random.Random) -> Cycle:
    """Claim a task and answer it; raises CycleError for a refusal, OSError when the connection broke."""
    claim, submit = _WAYS[visit.way]
    scores = [rng.choice((3, 4)) for _ in range(2 * len(ATTRIBUTES))]
    began = time.perf_counter()
    task = await claim(browser, visit)
    claimed = time.perf_counter()
    await submit(browser, visit, task, scores)
    return Cycle(claimed - began, time.perf_counter() - claimed)


def names() -> list[str]:
    """Return the names of the ten ratings, in the order of scores."""
    return [f"{side}_{attribute}" for side in SIDES for attribute in ATTRIBUTES]


async def claim_page(browser: Browser, _visit: Visit) -> dict[str, str]:
    """Load the rating page of our site and return its hidden fields."""
    page = await browser.get("/task")
    fields = form_fields(page.text) if page.status == _OK else {}
    if "lease" not in fields:
        raise _refused(page)
    return fields


async def submit_page(browser: Browser, _visit: Visit, fields: object, scores: list[int]) -> None:
    """Send the rating page's form."""
    hidden = cast(Mapping[str, str], fields)
    rated = {name: str(score) for name, score in zip(names(), scores, strict=True)}
    reply = await browser.post_form("/task/submit", {**hidden, **rated, "action": "rate"})
    if reply.status != _SEE_OTHER:
        raise _refused(reply)


async def _claim_api(browser: Browser, _visit: Visit) -> Mapping[str, object]:
    reply = await browser.post_json("/api/v1/claim", {})
    task = cast(Mapping[str, object], reply.json()).get("task") if reply.status == _OK else None
    if task is None:
        raise _refused(reply)
    return cast(Mapping[str, object], task)


async def _submit_api(browser: Browser, _visit: Visit, task: object, scores: list[int]) -> None:
    held = cast(Mapping[str, object], task)
    halves = (scores[: len(ATTRIBUTES)], scores[len(ATTRIBUTES) :])
    responses = [dict(zip(ATTRIBUTES, each, strict=True)) for each in halves]
    body = {"lease": held["lease"], "revision": held["revision"], "responses": responses, "simulated": True}
    reply = await browser.post_json("/api/v1/submit", body)
    if reply.status != _OK:
        raise _refused(reply)


async def _claim_label_studio_page(browser: Browser, visit: Visit) -> int:
    page = await browser.get(f"/projects/{visit.project}/data?labeling=1")
    if page.status != _OK:
        raise _refused(page)
    return await _claim_label_studio(browser, visit)


async def _claim_label_studio(browser: Browser, visit: Visit) -> int:
    reply = await browser.get(f"/api/projects/{visit.project}/next")
    if reply.status != _OK:
        raise _refused(reply)
    return int(str(cast(Mapping[str, object], reply.json())["id"]))


async def _submit_label_studio(browser: Browser, visit: Visit, task: object, scores: list[int]) -> None:
    result = [
        {
            "from_name": name,
            "to_name": name.partition("_")[0],
            "type": "rating",
            "value": {"rating": score + 1},
        }
        for name, score in zip(names(), scores, strict=True)
    ]
    headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
    body = {"result": result, "lead_time": 30.0, "draft_id": 0}
    reply = await browser.post_json(f"/api/tasks/{task}/annotations?project={visit.project}", body, headers=headers)
    if reply.status != _CREATED:
        raise _refused(reply)


def _refused(reply: Reply) -> CycleError:
    return CycleError(f"{reply.status} {reply.body[:200]!r}")


_Claim = Callable[[Browser, Visit], Awaitable[object]]
_Submit = Callable[[Browser, Visit, object, list[int]], Awaitable[None]]
_WAYS: Mapping[str, tuple[_Claim, _Submit]] = {
    "pages": (claim_page, submit_page),
    "api": (_claim_api, _submit_api),
    "label-studio pages": (_claim_label_studio_page, _submit_label_studio),
    "label-studio api": (_claim_label_studio, _submit_label_studio),
}
