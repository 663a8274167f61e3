"""Score the rows of several requests in one call, and hand each request its own scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from steersman.protocols import FloatArray, Scored, Scorer
from steersman.serving.rows import Rows

_LONGEST_RETRY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much waits and how much is scored at once.

    A request that comes while the model is idle waits `batch_wait_seconds` for others; a batch takes whole requests
    up to `max_batch_rows` rows, at least one request. The queue holds `max_queue_rows` rows and at most
    `max_queue_characters` characters, which bounds its memory.
    """

    max_queue_rows: int = 1024
    max_batch_rows: int = 64
    batch_wait_seconds: float = 0.005
    max_queue_characters: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Scores:
    """What one request gets: outputs (rows, outputs) in the order of `names`, rewards (rows,), rows that were cut.

    `preferences` (rows,) are how likely each response is preferred to the other of its pair, by a model that compares.
    """

    names: tuple[str, ...]
    outputs: FloatArray
    rewards: FloatArray
    truncated: tuple[int, ...]
    preferences: FloatArray | None = None


def num_taken(sizes: Sequence[int], *, max_rows: int) -> int:
    """Return how many requests of these sizes, from the first on, go into one batch: one at least, if there is any."""
    totals = accumulate(sizes)
    return sum(number == 0 or total <= max_rows for number, total in enumerate(totals))


def retry_after_seconds(num_rows: int, *, rows_per_second: float) -> int:
    """Return in how many whole seconds `num_rows` will be scored, from 1 to 60; 1 where the rate is not known."""
    if rows_per_second <= 0:
        return 1
    return int(np.clip(np.ceil(num_rows / rows_per_second), 1, _LONGEST_RETRY_SECONDS))


def score_together(scorer: Scorer, requests: Sequence[Rows]) -> Scored:
    """Return the scores of all rows of all requests, in their order, from one call of `scorer`.

    Rows are sorted by prompt for that call, so that rows of one prompt share its tokens, whoever sent them.
    """
    prompts = [prompt for request in requests for prompt in request.prompts]
    responses = [response for request in requests for response in request.responses]
    order = sorted(range(len(prompts)), key=prompts.__getitem__)
    scored = scorer.score([prompts[row] for row in order], [responses[row] for row in order], advance=_ignore)
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.arange(len(order))
    truncated = tuple(sorted(order[place] for place in scored.truncated))
    return Scored(
        scored.names,
        scored.outputs[places],
        scored.rewards[places],
        scored.num_tokens,
        truncated,
        preferences=None if scored.preferences is None else scored.preferences[places],
    )


def score_alone(scorer: Scorer, request: Rows) -> Scored:
    """Return the scores of one request, its rows in their order, so that a fault names them by their own numbers."""
    return scorer.score(request.prompts, request.responses, advance=_ignore)


def parts(scored: Scored, *, sizes: Sequence[int]) -> Iterator[Scores]:
    """Yield the scores of each request; `sizes` are its rows, in the order in which they were scored."""
    ends = list(accumulate(sizes))
    for start, end in zip([0, *ends], ends, strict=False):
        truncated = tuple(row - start for row in scored.truncated if start <= row < end)
        preferences = None if scored.preferences is None else scored.preferences[start:end]
        yield Scores(scored.names, scored.outputs[start:end], scored.rewards[start:end], truncated, preferences)


def no_numbers(scores: Scores) -> list[int]:
    """Return the rows with an output or a reward that is infinite or not a number: JSON cannot hold them."""
    is_fine = np.isfinite(scores.outputs).all(axis=1) & np.isfinite(scores.rewards)
    return [int(row) for row in np.flatnonzero(~is_fine)]


def _ignore(_amount: int) -> None:
    """Advance no progress bar."""
