"""Annotators' programs that never give up: they use the API until they have a reply, and write down what they got.

At times they skip a task, let a lease run out, answer late, send an answer again or to two servers at once, hang up
before the reply, and undo. What a server acknowledged is in the ledger, to be compared with the database at the end.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from annotation_client import Browser
from annotation_invariants import Key, Said
from annotation_made import Person

from steersman.records import ATTRIBUTES

_PAUSE_SECONDS = 0.05
_NOTHING_TO_DO_SECONDS = 0.5
_HANG_UP_SECONDS = 0.02
_OK, _CONFLICT, _BUSY = 200, 409, 503


@dataclass(frozen=True, slots=True)
class Habits:
    """How often an annotator does what is not the usual, as shares of cycles; `pause_seconds` outlasts a lease."""

    pause_seconds: float
    skip: float = 0.01
    abandon: float = 0.01
    late: float = 0.01
    hang_up: float = 0.05
    twice: float = 0.05
    replay: float = 0.05
    undo: float = 0.05


@dataclass(slots=True)
class Ledger:
    """What all annotators sent and got; `undone` says of an answer whether its undoing was acknowledged or is possible.

    `faults` are replies that no server may give; `num_busy` annotators hold a task now.
    """

    said: dict[Key, Said] = field(default_factory=dict)
    undone: dict[Key, bool] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    num_busy: int = 0


@dataclass(slots=True)
class Rater:
    """One annotator at several servers of one database."""

    person: Person
    urls: Sequence[str]
    ledger: Ledger
    habits: Habits
    rng: random.Random
    _browsers: list[Browser] = field(init=False)
    _bodies: list[dict[str, object]] = field(init=False, default_factory=list)
    _num_retried: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.person.token}"}
        # two per server: an answer may be sent twice at once
        self._browsers = [Browser(url, headers=headers) for url in (*self.urls, *self.urls)]

    async def work(self) -> None:
        """Claim and answer until all tasks of the project are finished."""
        while True:
            task = (await self._ask("claim", {})).get("task")
            if task is not None:
                self.ledger.num_busy += 1
                await self._cycle(cast(Mapping[str, object], task))
                self.ledger.num_busy -= 1
            elif await self._is_over():
                break
            else:
                await asyncio.sleep(_NOTHING_TO_DO_SECONDS)
        for browser in self._browsers:
            browser.close()

    async def _cycle(self, task: Mapping[str, object]) -> None:
        habits = self.habits
        if self._happens("skip", habits.skip):
            await self._ask("skip", {"lease": task["lease"], "reason": "a benchmark"})
            return
        if self._happens("abandon", habits.abandon):
            await asyncio.sleep(habits.pause_seconds)
            return
        if self._happens("late", habits.late):
            await asyncio.sleep(habits.pause_seconds)
        key = await self._answer(task)
        if self._bodies and self._happens("replay", habits.replay):
            await self._submit(self.rng.choice(self._bodies))
        if self._happens("undo", habits.undo):
            await self._undo(key)

    async def _answer(self, task: Mapping[str, object]) -> Key:
        scores = tuple(self.rng.choices(range(5), weights=(1, 1, 2, 4, 4), k=2 * len(ATTRIBUTES)))
        sides = (scores[: len(ATTRIBUTES)], scores[len(ATTRIBUTES) :])
        body: dict[str, object] = {
            "lease": task["lease"],
            "revision": task["revision"],
            "responses": [dict(zip(ATTRIBUTES, each, strict=True)) for each in sides],
            "simulated": True,
        }
        key = _key(body)
        self.ledger.said[key] = Said(self.person.name, scores)
        if self._happens("hang_up", self.habits.hang_up):
            await self._hang_up(body)
        if self._happens("twice", self.habits.twice):
            await asyncio.gather(self._submit(body, half=0), self._submit(body, half=1))
        else:
            await self._submit(body)
        self._bodies.append(body)
        return key

    async def _submit(self, body: Mapping[str, object], *, half: int = 0) -> None:
        receipt = await self._ask("submit", body, half=half)
        key = _key(body)
        sent = self.ledger.said[key]
        surplus = receipt.get("surplus")
        if not isinstance(surplus, bool) or sent.surplus not in (None, surplus):
            self.ledger.faults.append(f"{key}: got the receipt {receipt}, surplus before was {sent.surplus}")
        elif sent.surplus is None:
            self.ledger.said[key] = Said(sent.user, sent.scores, surplus)
            self.ledger.counts["acknowledged"] += 1

    async def _hang_up(self, body: Mapping[str, object]) -> None:
        try:
            async with asyncio.timeout(self.rng.uniform(0, _HANG_UP_SECONDS)):
                await self._browsers[0].post_json("/api/v1/submit", body)
        except OSError:
            pass

    async def _undo(self, key: Key) -> None:
        retried = self._num_retried
        reply = await self._ask("undo", {}, allowed=(_OK, _CONFLICT))
        task = cast(Mapping[str, object], reply.get("task") or {})
        if task.get("lease") == key[0]:
            self.ledger.undone[key] = True
            await self._answer(task)
        else:
            # another try may have been heard: the claim that follows gives the task again
            self.ledger.undone[key] = False
            if self._num_retried == retried:
                self.ledger.faults.append(f"{key}: the last answer could not be undone: {reply}")

    async def _is_over(self) -> bool:
        # whoever is busy may undo, and then the others are needed again
        status = await self._ask("status", None)
        return self.ledger.num_busy == 0 and status.get("finished") == status.get("tasks")

    def _happens(self, habit: str, share: float) -> bool:
        happens = self.rng.random() < share
        self.ledger.counts[habit] += happens
        return happens

    async def _ask(
        self, name: str, body: Mapping[str, object] | None, *, half: int = 0, allowed: Sequence[int] = (_OK,)
    ) -> Mapping[str, object]:
        """Return what a server answers at last, nothing when it refuses; half 0 and 1 use connections of their own."""
        target = f"/api/v1/{name}"
        while True:
            browser = self._browsers[half * len(self.urls) + self.rng.randrange(len(self.urls))]
            try:
                reply = await (browser.get(target) if body is None else browser.post_json(target, body))
            except OSError:
                await self._wait_for_retry()
                continue
            if reply.status == _BUSY:
                await self._wait_for_retry()
                continue
            if reply.status in allowed:
                return cast(Mapping[str, object], reply.json())
            self.ledger.faults.append(f"{name}: {reply.status} {reply.text[:200]}")
            return {}

    async def _wait_for_retry(self) -> None:
        self._num_retried += 1
        self.ledger.counts["retried"] += 1
        await asyncio.sleep(_PAUSE_SECONDS)


def _key(body: Mapping[str, object]) -> Key:
    return (str(body["lease"]), int(str(body["revision"])))
