"""The small Python client of the annotation site."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import httpx

from steersman.errors import RunError, SteersmanError
from steersman.records import Message

# between the four attempts of a call
_PAUSES_SECONDS = (0.2, 0.5, 1.0)
_BUSY = 503

# One response's scores by attribute, and optionally `confidence` (0 to 2) and `safe`.
Scores = Mapping[str, int | bool]


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task to rate: the conversation, and the two responses in this annotator's order, left and right."""

    lease: str
    task_id: str
    messages: tuple[Message, ...]
    responses: tuple[str, str]
    expires_at: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the site did with an answer; `surplus` when the task was finished without it."""

    lease: str
    task_id: str
    surplus: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far the work is: tasks, those finished, single ratings, and what this annotator has answered."""

    annotator: str
    guideline_version: str
    tasks: int
    finished: int
    ratings: int
    surplus: int
    answered: int


class AnnotationClient:
    """One annotator's connection to a site.

    Every call is tried up to four times when the site cannot be reached or is busy: claims and submits are safe to
    repeat. Raises SteersmanError with the site's message when it refuses, RunError when it stays unreachable.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0) -> None:
        """Connect to the site at `url` (such as http://127.0.0.1:8000) as the holder of `token`."""
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def claim(self) -> ClaimedTask | None:
        """Return the task this annotator holds or now gets, None when there is nothing for them."""
        task = self._call("POST", "/api/claim")["task"]
        if task is None:
            return None
        fields = cast("dict[str, str]", task)
        turns = cast("list[dict[str, str]]", fields["messages"])
        left, right = cast("list[str]", fields["responses"])
        messages = tuple(Message("user" if turn["role"] == "user" else "assistant", turn["content"]) for turn in turns)
        return ClaimedTask(fields["lease"], fields["task_id"], messages, (left, right), fields["expires_at"])

    def submit(
        self, lease: str, *, responses: Sequence[Scores] = (), flags: Sequence[str] = (), simulated: bool | None = None
    ) -> Receipt:
        """Answer a claimed task with the scores of the left and the right response, or with flags.

        `simulated` says whether a program made the answer; None leaves it open.
        """
        body = {"lease": lease, "responses": [dict(each) for each in responses], "flags": list(flags)}
        answer = self._call("POST", "/api/submit", body={**body, "simulated": simulated})
        return Receipt(**answer)  # type: ignore[arg-type]

    def status(self) -> Status:
        """Return how far the work is."""
        return Status(**self._call("GET", "/api/status"))  # type: ignore[arg-type]

    def _call(self, method: str, path: str, *, body: Mapping[str, object] | None = None) -> dict[str, object]:
        answer = self._send(method, path, body=body)
        try:
            content = answer.json()
        except ValueError as error:
            raise RunError(
                f"{self._url}: answers {answer.status_code} without JSON; is it an annotation site?"
            ) from error
        if answer.is_success and isinstance(content, dict):
            return content
        message = content.get("error") if isinstance(content, dict) else None
        raise SteersmanError(f"{self._url}{path}: {message or f'answered with status {answer.status_code}'}")

    def _send(self, method: str, path: str, *, body: Mapping[str, object] | None) -> httpx.Response:
        for pause_seconds in _PAUSES_SECONDS:
            with contextlib.suppress(httpx.TransportError):
                answer = self._http.request(method, path, json=body)
                if answer.status_code != _BUSY:
                    return answer
            time.sleep(pause_seconds)
        try:
            return self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise RunError(f"{self._url}: cannot be reached ({error}); is the site running?") from error
