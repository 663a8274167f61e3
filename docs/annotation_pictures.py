"""Take the pictures of the annotation site in docs/images: a task, the same on a phone in the dark, the dashboard.

    python docs/annotation_pictures.py

Makes a project of 60 tasks in a folder that is thrown away, lets made-up annotators work in it for five days of a
clock of its own, and looks at it with the Chromium of this machine. The same version gives the same figures.
"""

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from steersman.cli.server import bind
from steersman.config.annotating import ProjectSettings
from steersman.records import ATTRIBUTES, MAX_SCORE, Message, prompt_to_text
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, create_database, writing
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project, mark_guideline_seen
from steersman.store.database.sessions import start_session
from steersman.store.database.tasks import NewResponse, NewTask, add_tasks
from steersman.web.app import create_app
from steersman.web.guideline import default_guideline
from steersman.web.requests import COOKIE
from steersman.web.service import Service

IMAGES = Path(__file__).parent / "images"
PROJECT = "garden"
NUM_TASKS = 60
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
END = datetime(2026, 3, 6, 15, tzinfo=UTC)
WORKERS = tuple(f"annotator-{number}" for number in range(1, 8))
SHOWN_TO = "ada"
MANAGER = "manager"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# an annotator begins a task every so many minutes, and most have an hour or two a day for it
PAUSE_MINUTES = 9

CONVERSATION = (
    Message("user", "My tomato seedlings are tall, thin and pale, and some fall over. What am I doing wrong?"),
    Message("assistant", "They may lack light. Where do they stand, and how warm is it there?"),
    Message("user", "On a shelf about 2 m from a north window, at 24 C. Can I still save them? Please be *brief*."),
)
GOOD = """Yes, most of them. They **stretch for light**: warmth without light makes long, weak stems.

1. Move them to the brightest window, or put a lamp 10 cm above them for 14 hours a day.
2. Keep them cooler, at 16 to 18 C.
3. Plant them deeper, up to the first leaves: tomatoes grow roots from a buried stem.

| sign | cause | remedy |
|---|---|---|
| long, thin stem | too little light | window or lamp |
| pale leaves | light, or food | light first, then feed weakly |
| falls over | thin stem, wet soil | plant deeper, water from below |
"""
POOR = """Tomato plants are a popular choice for gardeners all over the world, and it is great that you grow your own!

{hungry}

In general, patience matters most when you grow tomatoes.
""".format(
    hungry="Your seedlings are probably hungry. Give them a **strong fertiliser every day** and keep them at 24 C or "
    "warmer, so that they grow quickly. If some have fallen over, tie them to sticks. A north window is fine, since "
    "tomatoes can get too much sun. You should also water them well in the morning *and* in the evening."
)


@dataclass(slots=True, eq=False)
class Clock:
    """The time of the project."""

    now: datetime = START

    def __call__(self) -> datetime:
        """Return it."""
        return self.now


@dataclass(frozen=True, slots=True)
class Crowd:
    """Made-up annotators: what the responses deserve, and how each of them differs from it."""

    truth: np.ndarray
    bias: np.ndarray
    rng: np.random.Generator

    def scores(self, annotator: int, task: int, slot: int) -> tuple[int, ...]:
        """Return what somebody gives a response."""
        seen = self.truth[task, slot] + self.bias[annotator] + self.rng.normal(0, 0.6, len(ATTRIBUTES))
        return tuple(int(each) for each in np.clip(np.rint(seen), 0, MAX_SCORE))


def main() -> None:
    """Write the three pictures."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        sys.exit(f"no browser is found: install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "site.sqlite"
        clock = Clock()
        engine = _made_project(place, clock)
        _work(engine, clock)
        with _served(create_app(place, now=clock)) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path)
            _take(browser, url, engine, clock)
            browser.close()
        engine.dispose()


def _take(browser: Browser, url: str, engine: Database, clock: Clock) -> None:
    secrets = {}
    with writing(engine) as connection:
        for user_id in (SHOWN_TO, MANAGER):
            secrets[user_id] = start_session(connection, user_id, now=clock(), lasts=timedelta(days=1))

    def opened(user_id: str, path: str, *, width: int, height: int, scheme: Literal["light", "dark"]) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.add_cookies([{"name": COOKIE, "value": secrets[user_id], "url": url}])
        page = context.new_page()
        page.goto(url + path)
        return page

    page = opened(SHOWN_TO, "/task", width=1280, height=1080, scheme="light")
    page.locator("#keys-button").wait_for()
    is_good = "stretch for light" in page.locator("#left").inner_text()
    for key in "4432" if is_good else "1133":
        page.keyboard.press(key)
    page.get_by_text("Saved.").wait_for()
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=IMAGES / "annotation-task.png")
    page = opened(SHOWN_TO, "/task", width=390, height=844, scheme="dark")
    page.locator("#left-scales").scroll_into_view_if_needed()
    page.evaluate(
        "window.scrollTo(0, document.getElementById('left-scales').getBoundingClientRect().top + scrollY - 80)"
    )
    page.screenshot(path=IMAGES / "annotation-phone.png")
    page = opened(MANAGER, "/manage", width=1280, height=900, scheme="light")
    page.reload()
    page.locator("#live-agreement").wait_for()
    page.screenshot(path=IMAGES / "annotation-dashboard.png", full_page=True)


def _made_project(place: Path, clock: Clock) -> Database:
    engine = create_database(place)
    asked = {
        "qualification": {"responses": 0},
        "gold": {"share": 0.0},
        "pay": {"per_hour": 25.0},
        "lease": {"minutes": 60},
    }
    settings = ProjectSettings.model_validate(asked)
    by = Act(None, clock())
    with writing(engine) as connection:
        stored = settings.model_dump(mode="json")
        add_project(connection, PROJECT, title="Garden advice", settings=stored, guideline=default_guideline(), by=by)
        tasks = [_task(number) for number in range(NUM_TASKS)]
        add_tasks(connection, PROJECT, tasks, need=settings.overlap.first, by=by)
        add_user(connection, MANAGER, role="manager", by=by)
        for user_id in (*WORKERS, SHOWN_TO):
            add_user(connection, user_id, role="annotator", by=by)
            add_member(connection, PROJECT, user_id, stage="working", by=by)
            mark_guideline_seen(connection, PROJECT, user_id, version=1, now=by.now)
    return engine


def _task(number: int) -> NewTask:
    name = f"garden-{number + 1:02d}"
    left, right = (NewResponse(f"{name}-{slot}", text, f"model-{slot}", None) for slot, text in enumerate((GOOD, POOR)))
    delivery = "week 10" if number < NUM_TASKS // 2 else "week 11"
    return NewTask(name, prompt_to_text(list(CONVERSATION)), (left, right), delivery=delivery)


def _work(engine: Database, clock: Clock) -> None:
    """Let the annotators work until the end, in turns, from eight to four."""
    rng = np.random.default_rng(3)
    truth = np.clip(rng.normal([2.6, 2.7, 3.3, 1.7, 2.0], [1.1, 1.1, 0.7, 0.8, 0.9], (NUM_TASKS, 2, 5)), 0, MAX_SCORE)
    crowd = Crowd(truth, rng.normal(0, 0.25, (len(WORKERS), 1)), rng)
    service = Service(engine, clock, Random(3))
    while clock() < END:
        clock.now += timedelta(minutes=PAUSE_MINUTES)
        if clock().hour >= 16:
            clock.now = (clock() + timedelta(days=1)).replace(hour=8, minute=0)
        if rng.random() < 0.35:
            _rate_one(service, crowd, clock, annotator=int(rng.integers(len(WORKERS))))
    service.claim(PROJECT, SHOWN_TO)


def _rate_one(service: Service, crowd: Crowd, clock: Clock, *, annotator: int) -> None:
    task = service.claim(PROJECT, WORKERS[annotator])
    if task is None:
        return
    clock.now += timedelta(seconds=float(crowd.rng.lognormal(5.1, 0.4)))
    number = int(task.task_id.rpartition("-")[2]) - 1
    slots = (0, 1) if task.left == GOOD else (1, 0)
    left, right = (crowd.scores(annotator, number, slot) for slot in slots)
    gap = right[0] - left[0]
    strength = max(-3, min(3, gap)) or (1 if crowd.rng.random() < 0.5 else -1)
    said = Answer(
        task.lease,
        (ResponseScores(left, 2, True), ResponseScores(right, 1, True)),
        comparison=Comparison(strength, "It names the cause and what to do first."),
        active_seconds=float(crowd.rng.lognormal(5.0, 0.4)),
        simulated=True,
    )
    service.submit(WORKERS[annotator], answer=said)


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    with bind("127.0.0.1", port=0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
