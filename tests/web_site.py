"""A small annotation site for tests: a project, tasks of each kind, people of each role, browsers and programs.

    pytest_plugins = ("web_fixtures",)

    def test_an_annotator_sees_a_task(web_site: WebSite) -> None:
        browser = web_site.browser("annotator-1")
        page = browser.get("/task")
        answer = browser.submit("/task/skip", {"reason": "too long"})   # a form
        answer = browser.fetch("/task/draft", {"lease": "..."})         # as a script of the page does
        answer = web_site.program("manage").get("/api/v1/projects")     # a token of this scope

A fixture of other contents: `with open_web_site(tmp_path, settings={"gold": {"share": 0.5}}) as site:`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from steersman.config.annotating import ProjectSettings
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, Transaction, create_database, writing
from steersman.store.database.invitations import NewInvitation, add_invitation
from steersman.store.database.people import add_member, add_user, set_password_hash
from steersman.store.database.projects import add_project, mark_guideline_seen
from steersman.store.database.sessions import start_session
from steersman.store.database.tasks import KnownScores, NewResponse, NewTask, add_tasks
from steersman.store.database.tokens import add_token
from steersman.web.app import create_app
from steersman.web.guard import CSRF_FIELD, CSRF_HEADER, csrf_text
from steersman.web.passwords import hash_password
from steersman.web.requests import COOKIE, SECURE_COOKIE
from steersman.web.service import Service

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PROJECT = "summer"
TITLE = "Summer ratings"
GUIDELINE = "# What to do\n\nRate *both* responses."
PASSWORD = "four brown horses"
# `trainee-1` is in training, all others who take part are working and have read the guideline
PEOPLE: Mapping[str, str] = {
    "owner-1": "owner",
    "manager-1": "manager",
    "reviewer-1": "reviewer",
    "annotator-1": "annotator",
    "annotator-2": "annotator",
    "annotator-3": "annotator",
    "trainee-1": "annotator",
}
MEMBERS = tuple(name for name, role in PEOPLE.items() if role == "annotator")
# whose token a program of a scope uses
SCOPE_USERS: Mapping[str, str] = {
    "annotate": "annotator-1",
    "read": "manager-1",
    "review": "reviewer-1",
    "manage": "manager-1",
    "people": "manager-1",
}
NUM_TASKS = {"rating": 8, "gold": 2, "training": 2, "qualification": 2}
KNOWN = (KnownScores((4, 4, 4, 2, 2), "It answers well."), KnownScores((0, 1, 3, 1, 1), "It is wrong."))
# no gold by chance, so that tests know what comes
SETTINGS: Mapping[str, object] = {"gold": {"share": 0.0}, "qualification": {"responses": 4}}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **parts: float) -> None:
        """Let time pass: `move(minutes=5)`."""
        self.moment += timedelta(**parts)


@dataclass(frozen=True, slots=True)
class WebSite:
    """A running site; `engine` is a second way to its database."""

    app: FastAPI
    engine: Database
    clock: Clock
    place: str | Path
    is_secure: bool
    anchor: TestClient

    @property
    def url(self) -> str:
        """The address under which the clients know the site."""
        return f"{'https' if self.is_secure else 'http'}://testserver"

    @property
    def by(self) -> Act:
        """Whoever runs the site's commands, now."""
        return Act(None, self.clock())

    @property
    def service(self) -> Service:
        """The annotators' side of the site, without HTTP."""
        return Service(self.engine, self.clock, Random(0))

    def stranger(self) -> TestClient:
        """Return a browser in which nobody is logged in; it follows no redirects."""
        client = TestClient(self.app, self.url, follow_redirects=False, headers={"origin": self.url})
        # as on a real server, where one loop serves all
        client.portal = self.anchor.portal
        return client

    def browser(self, user_id: str) -> "Browser":
        """Return a browser in which somebody is logged in."""
        return self.browser_of(self.session(user_id))

    def browser_of(self, session: str) -> "Browser":
        """Return a browser that holds the text of a session."""
        return Browser(self, session=session)

    def program(self, *scopes: str, user_id: str | None = None) -> TestClient:
        """Return a client with a token of these scopes; of the user who goes with the first one if none is named."""
        client = self.stranger()
        client.headers["authorization"] = f"Bearer {self.token(*scopes, user_id=user_id)}"
        return client

    def new_user(self, user_id: str, *, role: str = "annotator") -> None:
        """Add somebody who has no password and takes part in nothing."""
        with writing(self.engine) as connection:
            add_user(connection, user_id, role=role, by=self.by)

    def new_project(self, project_id: str) -> None:
        """Add a project in which nobody takes part."""
        settings = ProjectSettings.model_validate(SETTINGS).model_dump(mode="json")
        with writing(self.engine) as connection:
            add_project(connection, project_id, title=project_id, settings=settings, guideline=GUIDELINE, by=self.by)

    def more_work(self) -> None:
        """Add so many rating tasks that, by a share of a half, gold tasks come before those are done."""
        tasks = [new_task(number) for number in range(100, 130)]
        with writing(self.engine) as connection:
            add_tasks(connection, PROJECT, tasks, need=3, by=self.by)

    def session(self, user_id: str) -> str:
        """Return the text of a new session."""
        with writing(self.engine) as connection:
            return start_session(connection, user_id, now=self.clock(), lasts=timedelta(days=14))

    def token(self, *scopes: str, user_id: str | None = None) -> str:
        """Return the text of a new token."""
        user = SCOPE_USERS[scopes[0]] if user_id is None else user_id
        with writing(self.engine) as connection:
            return add_token(connection, user, label="test", scopes=scopes, by=self.by)[1]

    def invitation(self, role: str = "annotator", *, user_id: str | None = None, max_uses: int = 1) -> str:
        """Return the code of a new invitation to the project, good for a week."""
        new = NewInvitation(role, PROJECT, user_id, max_uses)
        with writing(self.engine) as connection:
            return add_invitation(connection, new, by=self.by, lasts=timedelta(days=7))[1]


class Browser(TestClient):
    """A browser with a session; it follows no redirects."""

    def __init__(self, site: WebSite, *, session: str) -> None:
        super().__init__(site.app, site.url, follow_redirects=False, headers={"origin": site.url})
        self.portal = site.anchor.portal
        self._cookie = SECURE_COOKIE if site.is_secure else COOKIE
        # the domain that the client itself gives to cookies of `testserver`
        self.cookies.set(self._cookie, session, domain="testserver.local", path="/")

    @property
    def csrf(self) -> str:
        """The anti-forgery text of the session, which its pages carry."""
        return csrf_text(self.cookies[self._cookie])

    def submit(self, path: str, fields: Mapping[str, str | list[str]]) -> Response:
        """Send a form, with its anti-forgery text."""
        return self.post(path, data={**fields, CSRF_FIELD: self.csrf})

    def fetch(self, path: str, body: object) -> Response:
        """Send JSON as a script of the page does."""
        return self.post(path, json=body, headers={CSRF_HEADER: self.csrf})


@contextmanager
def open_web_site(
    folder: Path,
    *,
    place: str | None = None,
    is_secure: bool = False,
    settings: Mapping[str, object] = SETTINGS,
) -> Iterator[WebSite]:
    """Give a new site in a folder, or at the URL of an empty database."""
    where = folder / "site.sqlite" if place is None else place
    engine = create_database(where)
    with writing(engine) as connection:
        _fill(connection, ProjectSettings.model_validate(settings))
    clock = Clock()
    app = create_app(where, now=clock, is_secure=is_secure)
    with TestClient(app) as anchor:
        yield WebSite(app, engine, clock, where, is_secure, anchor)
    engine.dispose()


def new_task(number: int, *, kind: str = "rating") -> NewTask:
    """Return a task of a kind; the numbers of a kind start at 0."""
    name = f"{kind}-{number}"
    left, right = (
        NewResponse(f"{name}-{slot}", f"Response {slot} of {name}.", f"model-{slot}", None) for slot in range(2)
    )
    return NewTask(name, f"Prompt of {name}?", (left, right), kind, None if kind == "rating" else KNOWN)


def _fill(connection: Transaction, settings: ProjectSettings) -> None:
    by = Act(None, NOON)
    stored = settings.model_dump(mode="json")
    add_project(connection, PROJECT, title=TITLE, settings=stored, guideline=GUIDELINE, by=by)
    tasks = [new_task(number, kind=kind) for kind, count in NUM_TASKS.items() for number in range(count)]
    add_tasks(connection, PROJECT, tasks, need=settings.overlap.first, by=by)
    for user_id, role in PEOPLE.items():
        add_user(connection, user_id, role=role, by=by)
        set_password_hash(connection, user_id, _password_hash(), by=by)
    for user_id in MEMBERS:
        is_new = user_id.startswith("trainee")
        add_member(connection, PROJECT, user_id, stage="training" if is_new else "working", by=by)
        if not is_new:
            mark_guideline_seen(connection, PROJECT, user_id, version=1, now=NOON)


@lru_cache
def _password_hash() -> str:
    return hash_password(PASSWORD)
