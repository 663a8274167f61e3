"""The client of annotators: take tasks, answer them, hold them, give them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from steersman.client.connection import Connection
from steersman.records import Message

# One response's scores by attribute, and optionally `confidence` (0 to 2), `safe` and `unsafe_reasons`.
Scores = Mapping[str, int | bool | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task to rate: the conversation, and the two responses in this annotator's order, left and right.

    `revision` numbers the answer to be given; `draft` is what was last saved, None when there is nothing.
    """

    lease: str
    project: str
    task_id: str
    kind: str
    messages: tuple[Message, ...]
    responses: tuple[str, str]
    expires_at: str
    revision: int
    draft: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the site did with an answer; `surplus` when the task was finished without it."""

    lease: str
    task_id: str
    revision: int
    surplus: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Held:
    """What became of a lease: `active` is held, and lasts until `expires_at`."""

    lease: str
    state: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far the project and this annotator are; `reason` says why the stage is what it is, where that is needed."""

    annotator: str
    project: str
    stage: str
    reason: str | None
    guideline_version: str
    tasks: int
    finished: int
    answered: int


class AnnotationClient:
    """One annotator's connection to a site.

    Every call is tried up to four times when the site cannot be reached or is busy: all are safe to repeat. Raises
    SteersmanError with the site's message when it refuses, RunError when it stays unreachable.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0, project: str | None = None) -> None:
        """Connect to the site at `url` as the holder of `token`, for the project joined first if none is named."""
        self._site = Connection(url, token, timeout_seconds=timeout_seconds)
        self._project = project

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._site.close()

    def claim(self) -> ClaimedTask | None:
        """Return the task this annotator holds or now gets, None when there is nothing for them."""
        return _task(self._site.repeat("POST", "/claim", body={"project": self._project})["task"])

    def submit(
        self,
        lease: str,
        *,
        responses: Sequence[Scores] = (),
        flags: Sequence[str] = (),
        simulated: bool | None = None,
        **more: object,
    ) -> Receipt:
        """Answer a claimed task with the scores of the left and the right response, or with flags.

        `simulated` says whether a program made the answer; None leaves it open. `more` may hold `revision`,
        `active_seconds`, and as `comparison` a mapping of `strength` (-3 the left response is much better, to 3 the
        right one is; None neither is valid) and `justification`.
        """
        answer = {"lease": lease, "responses": [dict(each) for each in responses], "flags": list(flags)}
        sent = {**answer, "simulated": simulated, **more}
        return Receipt(**self._site.repeat("POST", "/submit", body=sent))  # type: ignore[arg-type]

    def heartbeat(self, lease: str) -> Held:
        """Let a lease last, and return what became of it."""
        return Held(**self._site.repeat("POST", "/heartbeat", body={"lease": lease}))  # type: ignore[arg-type]

    def save_draft(self, lease: str, draft: str) -> Held:
        """Keep what is half done, as any text, and let the lease last."""
        return Held(**self._site.repeat("POST", "/draft", body={"lease": lease, "draft": draft}))  # type: ignore[arg-type]

    def skip(self, lease: str, *, reason: str = "") -> None:
        """Give a task back, for somebody else."""
        self._site.repeat("POST", "/skip", body={"lease": lease, "reason": reason})

    def undo(self) -> ClaimedTask:
        """Take the last answer back and hold its task again; give the next one with its `revision`."""
        # a second undo would take back the answer before
        return cast("ClaimedTask", _task(self._site.once("POST", "/undo", body={"project": self._project})["task"]))

    def status(self) -> Status:
        """Return how far the work is."""
        query = "" if self._project is None else f"?project={self._project}"
        return Status(**self._site.repeat("GET", f"/status{query}"))  # type: ignore[arg-type]


def _task(found: object) -> ClaimedTask | None:
    if found is None:
        return None
    fields = cast("dict[str, str]", found)
    turns = cast("list[dict[str, str]]", fields["messages"])
    left, right = cast("list[str]", fields["responses"])
    return ClaimedTask(
        lease=fields["lease"],
        project=fields["project"],
        task_id=fields["task_id"],
        kind=fields["kind"],
        messages=tuple(Message("user" if turn["role"] == "user" else "assistant", turn["content"]) for turn in turns),
        responses=(left, right),
        expires_at=fields["expires_at"],
        revision=cast("int", fields["revision"]),
        draft=fields["draft"],
    )
