"""`steersman annotate simulate --url`: a modelled crowd works on a running site through its HTTP API.

The clients are handed in: programs that speak HTTP are built above the pipeline.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from steersman.annotation.modelled import ModelledAnnotator, Opinion
from steersman.config.sections import CrowdSettings
from steersman.errors import RunError, SteersmanError
from steersman.records import ATTRIBUTES, Message, prompt_to_text

NAME = "simulated-{number}"
# what a client takes for one response
Scores = Mapping[str, int | bool | Sequence[str]]
_MOST_ERRORS_IN_A_ROW = 20
_TOKEN_LABEL = "simulated annotator"


class Claimed(Protocol):
    """A task as an annotator's client gives it."""

    @property
    def lease(self) -> str:
        """The lease."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation."""

    @property
    def responses(self) -> tuple[str, str]:
        """The left and the right response."""


class Desk(Protocol):
    """An annotator's client."""

    def claim(self) -> Claimed | None:
        """Return the next task, None when there is none."""

    def submit(self, lease: str, *, responses: Sequence[Scores], simulated: bool | None, comparison: object) -> object:
        """Answer a task."""

    def close(self) -> None:
        """Close the connection."""


class Office(Protocol):
    """A manager's client."""

    def settings(self, project: str) -> Mapping[str, object]:
        """Return the settings of a project."""

    def members(self, project: str) -> Sequence[Mapping[str, object]]:
        """Return the members of a project."""

    def add_user(self, user: str, *, role: str = "annotator", project: str | None = None) -> str:
        """Make a user."""

    def set_member(self, project: str, user: str, *, stage: str | None = None, reason: str | None = None) -> None:
        """Let a user take part."""

    def add_token(self, user: str, *, label: str, scopes: Sequence[str] = ("annotate",)) -> str:
        """Return a new token of a user."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many annotators work, by how many clients at once, and after how many answers they stop; None is never."""

    annotators: int = 10
    clients: int = 8
    cycles: int | None = None
    seed: int = 0


@dataclass(slots=True)
class _Worker:
    desk: Desk
    mind: ModelledAnnotator


@dataclass(slots=True)
class _Tally:
    """What happened so far; guarded by `lock`."""

    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    at_work: int = 0
    idle_in_a_row: int = 0
    errors_in_a_row: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def run(
    office: Office, *, project: str, load: Load, open_desk: Callable[[str], Desk], progress: Callable[[int], None]
) -> dict[str, object]:
    """Let a modelled crowd answer tasks of a project until nobody gets one, and return how fast the site was.

    Annotators that are not there yet are made and work at once. `open_desk` gives the client of a token. Every answer
    says that it is simulated. Raises RunError when the site refuses twenty times in a row.
    """
    crowd = CrowdSettings.model_validate({"annotators": max(load.annotators, 5)})
    names = [NAME.format(number=number) for number in range(1, load.annotators + 1)]
    tokens = _let_in(office, project, names)
    workers = [
        _Worker(open_desk(token), ModelledAnnotator(crowd, number=number, seed=load.seed))
        for number, token in enumerate(tokens)
    ]
    compares = _compares(office.settings(project))
    tally = _Tally()
    waiting = deque(workers)
    started = time.monotonic()
    try:
        with ThreadPoolExecutor(load.clients) as pool:
            ends = [
                pool.submit(_work, waiting, tally, load=load, compares=compares, progress=progress)
                for _ in range(load.clients)
            ]
            for end in ends:
                end.result()
    finally:
        for worker in workers:
            worker.desk.close()
    return _report(tally, seconds=time.monotonic() - started, load=load, project=project)


def _let_in(office: Office, project: str, names: Sequence[str]) -> list[str]:
    there = {str(each["user"]) for each in office.members(project)}
    for name in names:
        if name not in there:
            office.add_user(name, project=project)
        office.set_member(project, name, stage="working")
    return [office.add_token(name, label=_TOKEN_LABEL) for name in names]


def _compares(settings: Mapping[str, object]) -> bool:
    form = settings["form"]
    return isinstance(form, Mapping) and form.get("preference") != "off"


def _work(
    waiting: deque[_Worker], tally: _Tally, *, load: Load, compares: bool, progress: Callable[[int], None]
) -> None:
    while True:
        with tally.lock:
            if _is_over(tally, load=load):
                return
            # fewer annotators than clients: the others are at work
            worker = waiting.popleft() if waiting else None
            tally.at_work += worker is not None
        if worker is None:
            time.sleep(0.001)
            continue
        try:
            _cycle(worker, tally, compares=compares, progress=progress)
        finally:
            with tally.lock:
                waiting.append(worker)
                tally.at_work -= 1


def _is_over(tally: _Tally, *, load: Load) -> bool:
    if tally.errors_in_a_row >= _MOST_ERRORS_IN_A_ROW:
        raise RunError(
            f"the site refused {_MOST_ERRORS_IN_A_ROW} times in a row; the last: {next(reversed(tally.errors))}"
        )
    is_enough = load.cycles is not None and len(tally.submits) + tally.at_work >= load.cycles
    # nobody got anything since the last answer; an answer can make a task need more annotators
    return is_enough or tally.idle_in_a_row >= 2 * load.annotators


def _cycle(worker: _Worker, tally: _Tally, *, compares: bool, progress: Callable[[int], None]) -> None:
    try:
        with _timed(tally, tally.claims):
            task = worker.desk.claim()
        if task is None:
            with tally.lock:
                tally.idle_in_a_row += 1
            return
        opinion = worker.mind.rate(prompt_to_text(task.messages), task.responses)
        with _timed(tally, tally.submits):
            _say(worker.desk, task, opinion, compares=compares)
    except SteersmanError as error:
        with tally.lock:
            tally.errors[str(error)] += 1
            tally.errors_in_a_row += 1
        return
    with tally.lock:
        tally.idle_in_a_row = tally.errors_in_a_row = 0
        progress(len(tally.submits))


@contextmanager
def _timed(tally: _Tally, times: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    with tally.lock:
        times.append(time.perf_counter() - started)


def _say(desk: Desk, task: Claimed, opinion: Opinion, *, compares: bool) -> None:
    left, right = (_named(scores) for scores in opinion.scores)
    why = f"Simulated: helpfulness is {left['helpfulness']} on the left and {right['helpfulness']} on the right."
    comparison = {"strength": opinion.strength, "justification": why} if compares else None
    desk.submit(task.lease, responses=[left, right], simulated=True, comparison=comparison)


def _named(scores: Sequence[int]) -> Scores:
    return dict(zip(ATTRIBUTES, scores, strict=True))


def _report(tally: _Tally, *, seconds: float, load: Load, project: str) -> dict[str, object]:
    cycles = len(tally.submits)
    return {
        "project": project,
        "simulated": True,
        "annotators": load.annotators,
        "clients": load.clients,
        "cycles": cycles,
        "seconds": round(seconds, 3),
        "cycles_per_second": round(cycles / seconds, 2) if seconds > 0 else None,
        "claim_ms": _quantiles(tally.claims),
        "submit_ms": _quantiles(tally.submits),
        "errors": sum(tally.errors.values()),
        "faults": dict(tally.errors.most_common(20)),
    }


def _quantiles(times: Sequence[float]) -> dict[str, float | None]:
    if not times:
        return {"p50": None, "p99": None}
    p50, p99 = (np.quantile(times, [0.5, 0.99]) * 1000).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2)}
