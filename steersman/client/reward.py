"""The client of the reward server, for trainers."""

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, cast

import httpx

from steersman.errors import ConfigError, RunError, SteersmanError
from steersman.records import joined_parts

logger = logging.getLogger(__name__)

_BUSY = 503
_FULL = 429
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 60.0
# Rows of one request to the reward server: what it scores in one batch unless told otherwise.
_ROWS_PER_REQUEST = 64

# A text, or the turns of a conversation as `{"role": ..., "content": ...}`.
Conversation = str | Sequence[Mapping[str, object]]


class RewardClient:
    """A connection to a reward server, as the reward function of a trainer.

    A full or stopping server, or one that cannot be reached, is asked again until `patience_seconds` have passed:
    a training step waits rather than fails. System turns are left out, reward models have no place for them. Raises
    SteersmanError with the server's message when it refuses, RunError when patience ends.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 600.0, patience_seconds: float = 600.0) -> None:
        """Connect to the server at `url`, such as http://127.0.0.1:8100; raises ConfigError for no such address."""
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"{url}: is no address of a reward server; write it as http://127.0.0.1:8100")
        self._url = url.rstrip("/")
        self._patience_seconds = patience_seconds
        self._http = httpx.Client(base_url=self._url, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def scores(self, prompts: Sequence[Conversation], completions: Sequence[Conversation]) -> list[dict[str, float]]:
        """Return `{output: score, ..., "reward": reward}` of each completion, in order.

        Raises ValueError for more of one than of the other, and for a turn with parts that are no text.
        """
        if len(prompts) != len(completions):
            raise ValueError(f"{len(prompts)} prompts and {len(completions)} completions; one of each makes a row")
        rows = [_reward_row(*each) for each in zip(prompts, completions, strict=True)]
        scores: list[dict[str, float]] = []
        for start in range(0, len(rows), _ROWS_PER_REQUEST):
            answer = self._post({"rows": rows[start : start + _ROWS_PER_REQUEST]})
            scores += cast("list[dict[str, float]]", answer["scores"])
        return scores

    def trl_rewards(
        self, prompts: Sequence[Conversation], completions: Sequence[Conversation], **_: object
    ) -> list[float]:
        """Return one reward per completion: a reward function of TRL's GRPOTrainer and RLOOTrainer.

        What else TRL hands over, such as the columns of the data set, is not read.
        """
        return [each["reward"] for each in self.scores(prompts, completions)]

    def verl_score(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: object,
        extra_info: Mapping[str, object] | None,
        **_: object,
    ) -> dict[str, float]:
        """Return `{"score": reward, ...}` with every output beside it: a `compute_score` of verl.

        verl hands over no prompt, so `extra_info` must hold it: as `prompt`, a text or messages, or as `question`.
        """
        del data_source, ground_truth
        given = extra_info or {}
        prompt = given.get("prompt", given.get("question"))
        if prompt is None:
            raise SteersmanError("verl hands over no prompt; put it into the data as extra_info.prompt")
        scores = self.scores([cast("Conversation", prompt)], [solution_str])[0]
        return {"score": scores["reward"], **scores}

    def _post(self, body: Mapping[str, object]) -> Mapping[str, object]:
        deadline = time.monotonic() + self._patience_seconds
        is_told = False
        while True:
            answer, fault = self._send(body)
            pause_seconds = _pause_seconds(answer)
            if answer is not None and answer.status_code not in (_FULL, _BUSY):
                return _reward_answer(answer, url=self._url)
            if time.monotonic() + pause_seconds > deadline:
                raise RunError(f"{self._url}: {fault}; is it running, and large enough for this trainer?")
            if answer is None and not is_told:
                logger.warning("%s: %s; asking again for up to %.0f s", self._url, fault, self._patience_seconds)
                is_told = True
            time.sleep(pause_seconds)

    def _send(self, body: Mapping[str, object]) -> tuple[httpx.Response | None, str]:
        try:
            answer = self._http.post("/v1/score", json=body)
        except httpx.TransportError as error:
            return None, f"cannot be reached ({error})"
        return answer, f"takes no more requests (status {answer.status_code})"


def _reward_row(prompt: Conversation, completion: Conversation) -> dict[str, object]:
    """Return the row of one completion; turns before its last one, such as calls of tools, belong to the prompt."""
    asked: list[Mapping[str, object]] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [*prompt]
    response: object = completion
    if not isinstance(completion, str):
        asked += completion[:-1]
        response = _text(completion[-1]["content"])
    turns = [{"role": turn["role"], "content": _text(turn["content"])} for turn in asked if turn["role"] != "system"]
    return {"prompt": turns, "response": response}


def _text(content: object) -> object:
    # what is neither text nor parts is for the server to refuse
    return joined_parts(content) if isinstance(content, list) else content


def _pause_seconds(answer: httpx.Response | None) -> float:
    asked = "" if answer is None else answer.headers.get("retry-after", "")
    wanted = float(asked) if asked.isdecimal() else 1.0
    return min(max(wanted, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)


def _reward_answer(answer: httpx.Response, *, url: str) -> Mapping[str, object]:
    try:
        content = answer.json()
    except ValueError as error:
        raise RunError(f"{url}: answers {answer.status_code} without JSON; is it a reward server?") from error
    if answer.is_success and isinstance(content, dict) and "scores" in content:
        return content
    message = content.get("error") if isinstance(content, dict) else None
    raise SteersmanError(f"{url}: {message or f'answered with status {answer.status_code}'}")
