"""What a plug-in looks like. Stages know these shapes; backends, sources and store fill them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from steersman.records import Judgment, Message, Prompt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a generator draws tokens. `temperature` 0 is greedy; `top_k` None keeps the whole vocabulary."""

    temperature: float
    top_p: float
    top_k: int | None
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Generated:
    """One generated text, its length and whether it ended by itself rather than at the limit."""

    text: str
    num_tokens: int
    is_finished: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of a batch: `outputs` (rows, outputs) in the order of `names`, `rewards` (rows,).

    `levels` (rows, outputs, levels) are the probabilities of a model of levels; `preferences` (rows,) how likely the
    response of a row is preferred to the other of its pair, by a model that compares two. None of other models.
    """

    names: tuple[str, ...]
    outputs: FloatArray
    rewards: FloatArray
    num_tokens: int
    truncated: tuple[int, ...] = field(default=())
    levels: FloatArray | None = None
    preferences: FloatArray | None = None


# Called with the amount of work just done; `total` is what the bar was opened with.
Advance = Callable[[int], None]
Metrics = Mapping[str, float]


class Progress(Protocol):
    """Opens a progress bar; the stages advance it and never print."""

    def __call__(self, label: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Return a context manager that gives the function to advance the bar by some units."""
        ...


@runtime_checkable
class NotingAdvance(Protocol):
    """An `Advance` that also has room for figures beside the bar."""

    def __call__(self, amount: int, /) -> None:
        """Advance by the amount of work just done."""
        ...

    def note(self, values: Metrics) -> None:
        """Show `values` beside the bar in place of those shown before, such as the running loss."""
        ...


def note(advance: Advance, values: Metrics) -> None:
    """Show `values` beside the bar of `advance` where it has room for them, else do nothing."""
    if isinstance(advance, NotingAdvance):
        advance.note(values)


class Tracker(Protocol):
    """Keeps the metrics of a training where people watch them, besides metrics.jsonl."""

    def log(self, step: int, metrics: Metrics) -> None:
        """Keep the metrics of an optimiser step; names are stage/what, such as reward/train_loss."""
        ...

    def close(self) -> None:
        """Write what is not written yet; nothing is logged afterwards."""
        ...


class PromptSource(Protocol):
    """Somewhere prompts come from."""

    def prompts(self) -> Iterable[Prompt]:
        """Yield every prompt, in a stable order."""
        ...


class Generator(Protocol):
    """Writes responses."""

    name: str
    licence: str | None

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, sampling: Sampling, seed: int, advance: Advance
    ) -> list[Generated]:
        """Return one response per conversation, in order; the same seed gives the same texts.

        `advance` counts tokens: in the end `sampling.max_new_tokens` per response, those it did without among them.
        """
        ...


class Scorer(Protocol):
    """Scores responses; one row of scores per prompt and response, in order."""

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return the scores; prompts are in HelpSteer2's text form."""
        ...


class Judge(Protocol):
    """Compares two responses to one prompt."""

    def judge(self, prompt: str, first: str, second: str) -> Judgment:
        """Return which response is better."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: Sequence[str], *, advance: Advance) -> FloatArray:
        """Return unit vectors, shape (texts, dimensions)."""
        ...


class LogLikelihood(Protocol):
    """Sums the log-probabilities a language model gives to responses."""

    def log_likelihood(self, prompts: Sequence[str], responses: Sequence[str]) -> FloatArray:
        """Return summed log-probabilities in nats, shape (rows,)."""
        ...


class ArrayStore(Protocol):
    """Keeps arrays by key, on disk or in memory; what is read back is complete or absent."""

    def get(self, key: str) -> npt.NDArray[np.generic] | None:
        """Return the array under `key`, or None."""
        ...

    def put(self, key: str, array: npt.NDArray[np.generic]) -> None:
        """Keep `array` under `key`."""
        ...


@contextmanager
def no_progress(label: str, total: int, unit: str) -> Iterator[Advance]:
    """A `Progress` that shows nothing."""
    del label, total, unit
    yield lambda amount: None
