"""Sixty-four clients at once against the 2-layer model: every row comes back, to its own client, with its own score."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from served import PATIENCE_SECONDS, Running, running
from tiny_reward import write_tiny_reward_model

from steersman.backends.reward_scorer import RewardScorer
from steersman.modeling.loading import load_tokenizer
from steersman.pipeline.reward_folder import load_reward_model
from steersman.protocols import Advance, Scored, Scorer
from steersman.serving.batching import BatchLimits

NUM_CLIENTS = 64
REQUESTS_EACH = 2
MAX_QUEUE_ROWS = 32
PROMPTS = [
    "Why is the sky blue?",
    "Name a river.",
    "What is bread?\n<extra_id_1>Assistant\nFood.\n<extra_id_1>User\nAnd now?",
]


@dataclass(frozen=True, slots=True)
class Row:
    """What a client asks, and the reward it should get."""

    prompt: str
    response: str
    reward: float


class CountingScorer:
    """Passes on to a scorer; remembers the largest call, and what waited in the queue of `server` meanwhile."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.server: Running | None = None
        self.calls: list[int] = []
        self.queued: list[int] = []

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        self.calls.append(len(prompts))
        if self.server is not None:
            self.queued.append(self.server.batcher.num_queued_rows)
        return self._scorer.score(prompts, responses, advance=advance)


@pytest.fixture(scope="module")
def scorer(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """Return a scorer on the tiny model with a random head of two attributes, in float32."""
    folder = tmp_path_factory.mktemp("reward") / "tiny"
    write_tiny_reward_model(folder, tiny_model=tiny_model_folder)
    loaded = load_reward_model(folder, dtype=torch.float32, device=torch.device("cpu"))
    return RewardScorer(loaded, load_tokenizer(folder), precision="float32")


def rows_of(scorer: Scorer, client: int) -> list[list[Row]]:
    """Return the requests of one client, of one to four rows, with the rewards of each row scored by itself."""
    rng = random.Random(client)
    requests = []
    for number in range(REQUESTS_EACH):
        prompts = [rng.choice(PROMPTS) for _ in range(rng.randint(1, 4))]
        responses = [f"{client}.{number}.{row}" + "x" * rng.randint(0, 30) for row in range(len(prompts))]
        alone = [
            scorer.score([one], [other], advance=lambda _: None) for one, other in zip(prompts, responses, strict=True)
        ]
        rewards = [float(each.rewards[0]) for each in alone]
        requests.append([Row(*each) for each in zip(prompts, responses, rewards, strict=True)])
    return requests


def send(client: httpx.Client, rows: list[Row]) -> tuple[list[float], int]:
    """Return the rewards of one request, and how often it was told to come back."""
    body = {"rows": [{"prompt": row.prompt, "response": row.response} for row in rows]}
    for num_refused in range(1_000):
        answer = client.post("/v1/score", json=body)
        if answer.status_code == 200:
            return [score["reward"] for score in answer.json()["scores"]], num_refused
        assert answer.status_code == 429, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        # sooner than asked, to keep the queue full
        time.sleep(0.02)
    raise AssertionError("the queue never had room")


def test_no_row_is_lost_or_swapped_and_the_queue_stays_within_its_limit(scorer: Scorer) -> None:
    asked = [rows_of(scorer, client) for client in range(NUM_CLIENTS)]
    counting = CountingScorer(scorer)
    limits = BatchLimits(max_queue_rows=MAX_QUEUE_ROWS, max_batch_rows=16)
    with running(counting, limits=limits) as server, ThreadPoolExecutor(NUM_CLIENTS) as pool:
        counting.server = server

        def converse(requests: list[list[Row]]) -> list[tuple[list[float], int]]:
            with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
                return [send(client, rows) for rows in requests]

        answers = list(pool.map(converse, asked))
    got = [reward for client in answers for rewards, _ in client for reward in rewards]
    wanted = [row.reward for client in asked for rows in client for row in rows]
    assert np.ptp(wanted) > 0.1
    assert got == pytest.approx(wanted, abs=1e-5)
    assert sum(counting.calls) == len(wanted)
    assert max(counting.calls) <= 16
    assert len(counting.calls) < NUM_CLIENTS * REQUESTS_EACH
    assert max(counting.queued) <= MAX_QUEUE_ROWS
    assert sum(num_refused for client in answers for _, num_refused in client) > 0
