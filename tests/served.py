"""Small scorers, and the reward server over real HTTP."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import uvicorn
from fastapi import FastAPI

from steersman.cli.server import StoppingServer, bind
from steersman.errors import DataError
from steersman.protocols import Advance, Scored, Scorer
from steersman.serving.app import create_app
from steersman.serving.batcher import Batcher
from steersman.serving.batching import BatchLimits
from steersman.serving.metrics import Metrics

HOST = "127.0.0.1"
NAME = "length"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PATIENCE_SECONDS = 30.0


class LengthScorer:
    """Scores a response by its length and its prompt's; records the rows of each call and how many ran at once.

    Its reward is twice the first and once the second. A response `unscorable` is refused, `explosive` breaks it and
    `endless` has no finite score.
    """

    def __init__(self) -> None:
        self.running = 0
        self.most_running = 0
        self.calls: list[list[tuple[str, str]]] = []
        self._guard = threading.Lock()

    @property
    def prompts(self) -> list[str]:
        """The prompts of all rows that were scored."""
        return [prompt for call in self.calls for prompt, _ in call]

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        with self._guard:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            return self._score(prompts, responses, advance=advance)
        finally:
            with self._guard:
                self.running -= 1

    def _score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        if "unscorable" in responses:
            raise DataError("this response cannot be scored")
        if "explosive" in responses:
            raise RuntimeError("boom")
        self.calls.append(list(zip(prompts, responses, strict=True)))
        advance(len(prompts))
        pairs = zip(prompts, responses, strict=True)
        outputs = np.array([[len(r), len(p)] for p, r in pairs], dtype=np.float32).reshape(-1, 2)
        outputs[[row for row, response in enumerate(responses) if response == "endless"]] = np.inf
        cut = tuple(row for row, response in enumerate(responses) if response == "cut")
        num_tokens = sum(map(len, set(prompts))) + sum(map(len, responses))
        return Scored(
            ("length", "prompt_length"), outputs, outputs @ np.array([2, 1], dtype=np.float32), num_tokens, cut
        )

    def lengths(self, prompts: Sequence[str], responses: Sequence[str]) -> list[int]:
        """Return how long each row is; a letter is a token."""
        return [len(prompt) + len(response) for prompt, response in zip(prompts, responses, strict=True)]


class GatedScorer(LengthScorer):
    """Says when a call has begun, and scores no further than to a closed gate."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.gate = threading.Event()

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        self.has_begun.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        return super().score(prompts, responses, advance=advance)


@dataclass(frozen=True, slots=True)
class Served:
    """A server in this process."""

    app: FastAPI
    batcher: Batcher
    metrics: Metrics


def served(scorer: Scorer, *, limits: BatchLimits | None = None, host: str = HOST) -> Served:
    """Return a server of `scorer`; unless told otherwise nothing waits for others."""
    metrics = Metrics()
    batcher = Batcher(scorer, limits=limits or BatchLimits(batch_wait_seconds=0.0), metrics=metrics)
    app = create_app(batcher, metrics=metrics, name=NAME, host=host, now=lambda: NOON)
    return Served(app, batcher, metrics)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens at `url`; `stop` asks it to end, as Ctrl-C does."""

    url: str
    batcher: Batcher
    server: StoppingServer

    def stop(self) -> None:
        self.server.should_exit = True


@contextmanager
def running(scorer: Scorer, *, limits: BatchLimits | None = None) -> Iterator[Running]:
    """Serve `scorer` over HTTP on a free port."""
    made = served(scorer, limits=limits)
    with _listening(made.app, stopping=made.batcher.stop) as (url, server):
        yield Running(url, made.batcher, server)


@contextmanager
def running_app(app: FastAPI) -> Iterator[str]:
    """Serve any app on a free port and give its address."""
    with _listening(app, stopping=lambda: None) as (url, _):
        yield url


@contextmanager
def _listening(app: FastAPI, *, stopping: Callable[[], None]) -> Iterator[tuple[str, StoppingServer]]:
    with bind(HOST, port=0) as listener:
        server = StoppingServer(uvicorn.Config(app, log_level="critical"), stopping=stopping)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join()
