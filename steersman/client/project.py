"""The client of managers: make projects, bring tasks, watch them, read what was said, let people in."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import httpx

from steersman.client.connection import Connection

# A task as POST /projects/{project}/tasks takes it, see docs/annotation.md.
Task = Mapping[str, object]

_BATCH_TASKS = 500
_BATCH_BYTES = 4 << 20
_MOST_BREAKS = 4
_BREAK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Imported:
    """How many tasks were added, and how many were there already just as they came."""

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rating tasks there are, are finished, and ended without their ratings; answers, and members by stage."""

    project: str
    tasks: int
    finished: int
    ended: int
    answers: int
    members: Mapping[str, int]


class ProjectClient:
    """A manager's connection to a site.

    What is safe to repeat is tried up to four times when the site cannot be reached or is busy. Raises SteersmanError
    with the site's message when it refuses, RunError when it stays unreachable.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0) -> None:
        """Connect to the site at `url` as the holder of `token`, with the scopes that the calls need."""
        self._site = Connection(url, token, timeout_seconds=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._site.close()

    def create_project(
        self,
        project: str,
        *,
        title: str,
        settings: Mapping[str, object] | None = None,
        guideline: str | None = None,
    ) -> None:
        """Make a project without tasks; settings and guideline that are left out are the usual ones."""
        body = {"project": project, "title": title, "settings": settings, "guideline": guideline}
        self._site.once("POST", "/projects", body=body)

    def projects(self) -> list[str]:
        """Return the ids of all projects, oldest first."""
        found = cast("list[dict[str, str]]", self._site.repeat("GET", "/projects")["projects"])
        return [each["project"] for each in found]

    def settings(self, project: str) -> dict[str, object]:
        """Return the settings that hold in a project."""
        return cast("dict[str, object]", self._site.repeat("GET", f"/projects/{project}")["settings"])

    def change_settings(self, project: str, settings: Mapping[str, object]) -> None:
        """Add a version of all settings; keys that are left out take their usual values."""
        self._site.repeat("PUT", f"/projects/{project}/settings", body=settings)

    def import_tasks(self, project: str, tasks: Iterable[Task]) -> Imported:
        """Add tasks in batches, each whole or not at all; those that are there already are passed over.

        So what broke off can be done again from its start.
        """
        added = known = 0
        for batch in _batches(tasks):
            found = self._site.repeat("POST", f"/projects/{project}/tasks", body={"tasks": batch})
            added, known = added + cast("int", found["added"]), known + cast("int", found["known"])
        return Imported(added, known)

    def progress(self, project: str) -> Progress:
        """Return how far a project is."""
        return Progress(**self._site.repeat("GET", f"/projects/{project}/progress"))  # type: ignore[arg-type]

    def watch(self, project: str, *, interval_seconds: float = 60.0) -> Iterator[Progress]:
        """Yield the progress of a project every now and then, the last time when no task is open any more."""
        while True:
            found = self.progress(project)
            yield found
            if found.finished >= found.tasks:
                return
            time.sleep(interval_seconds)

    def ratings(self, project: str, *, after: int = 0) -> Iterator[dict[str, object]]:
        """Yield ratings in order of submission, from behind the one whose `rating_id` is `after`."""
        return self._rows(f"/projects/{project}/ratings", after=after, number="rating_id")

    def preferences(self, project: str, *, after: int = 0) -> Iterator[dict[str, object]]:
        """Yield preferences in order of submission, from behind the one whose `answer_id` is `after`."""
        return self._rows(f"/projects/{project}/preferences", after=after, number="answer_id")

    def agreement(self, project: str) -> dict[str, object]:
        """Return agreement by attribute and stage of cleaning; empty while it is being counted."""
        return cast("dict[str, object]", self._site.repeat("GET", f"/projects/{project}/agreement")["agreement"])

    def members(self, project: str) -> list[dict[str, object]]:
        """Return the members of a project by name, with stage and number of answers."""
        return cast("list[dict[str, object]]", self._site.repeat("GET", f"/projects/{project}/members")["members"])

    def set_member(self, project: str, user: str, *, stage: str | None = None, reason: str | None = None) -> None:
        """Let a user take part in a project, or move a member to another stage."""
        body = {"user": user, "stage": stage, "reason": reason}
        self._site.repeat("POST", f"/projects/{project}/members", body=body)

    def add_user(self, user: str, *, role: str = "annotator", project: str | None = None) -> str:
        """Make a user and return the link, behind the site's address, by which they set their password."""
        return str(self._site.once("POST", "/users", body={"user": user, "role": role, "project": project})["join"])

    def invite(self, project: str | None = None, *, role: str = "annotator", max_uses: int = 1) -> str:
        """Return a link, behind the site's address, by which so many people join."""
        body = {"role": role, "project": project, "max_uses": max_uses}
        return str(self._site.once("POST", "/invitations", body=body)["join"])

    def add_token(self, user: str, *, label: str, scopes: Sequence[str] = ("annotate",)) -> str:
        """Return a new token of a user."""
        body = {"user": user, "label": label, "scopes": [*scopes]}
        return str(self._site.once("POST", "/tokens", body=body)["token"])

    def _rows(self, path: str, *, after: int, number: str) -> Iterator[dict[str, object]]:
        breaks = 0
        while True:
            try:
                for row in self._site.rows(path, query={"after": after}):
                    after, breaks = cast("int", row[number]), 0
                    yield row
            except httpx.TransportError as error:
                breaks += 1
                if breaks == _MOST_BREAKS:
                    raise self._site.unreachable(error) from error
                time.sleep(_BREAK_SECONDS * breaks)
            else:
                return


def _batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    batch: list[Task] = []
    size = 0
    for task in tasks:
        length = len(json.dumps(task))
        if batch and (len(batch) == _BATCH_TASKS or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += length
    if batch:
        yield batch
