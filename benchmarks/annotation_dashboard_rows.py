"""The rows of the tables that `annotation_dashboard_made.py` fills, one after another."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.records import ATTRIBUTES

PROJECT = "dashboard"
_TEXTS = 2_000
_WORDS = np.array(["the", "river", "asks", "for", "a", "small", "answer", "with", "numbers", "and", "reasons", "noon"])
IntArray = npt.NDArray[np.int64]
Rows = Iterator[dict[str, object]]


@dataclass(frozen=True, slots=True, eq=False)
class MadeAnswers:
    """N answers in order of time: `task` and `annotator` (N,) are numbers from 0, `scores` (N, 2, A) by slot."""

    task: IntArray
    annotator: IntArray
    scores: IntArray
    is_surplus: npt.NDArray[np.bool_]
    need: IntArray


def annotator_name(number: int) -> str:
    """Return the name of an annotator."""
    return f"annotator-{number:04d}"


def random_texts(rng: np.random.Generator, *, words: int) -> list[str]:
    """Return texts of about so many random words."""
    sizes = rng.integers(words // 2, words + words // 2, size=_TEXTS)
    return [" ".join(_WORDS[rng.integers(0, _WORDS.size, size=size)].tolist()) for size in sizes.tolist()]


def task_rows(answers: MadeAnswers, *, done: IntArray, prompts: Sequence[str]) -> Rows:
    """Yield the tasks; `done` (T,) is how many answers of each count."""
    needs, dones = answers.need.tolist(), done.tolist()
    for number, (need, num_done) in enumerate(zip(needs, dones, strict=True)):
        yield {
            "task_key": number + 1,
            "project_id": PROJECT,
            "task_id": f"task-{number}",
            "kind": "rating",
            "state": "open",
            "priority": 0,
            "ordinal": number,
            "delivery": f"week-{number * 8 // len(needs)}",
            "prompt": f"{number}: {prompts[number % _TEXTS]}?",
            "need": need,
            "num_active": 0,
            "num_done": num_done,
        }


def response_rows(num_tasks: int, texts: Sequence[str]) -> Rows:
    """Yield two responses for each task."""
    for number in range(num_tasks):
        for slot in (0, 1):
            yield {
                "task_key": number + 1,
                "slot": slot,
                "response_id": f"task-{number}-{slot}",
                "response": f"{texts[(2 * number + slot) % _TEXTS]} {number}.",
                "generator": f"model-{slot}",
                "generator_licence": None,
            }


def assignment_rows(answers: MadeAnswers, *, left: IntArray, times: Sequence[str]) -> Rows:
    """Yield the lease of each answer; `left` (N,) is the slot on the left."""
    columns = zip(
        answers.task.tolist(),
        answers.annotator.tolist(),
        left.tolist(),
        answers.is_surplus.tolist(),
        times,
        strict=True,
    )
    for number, (task, annotator, left_slot, is_surplus, time) in enumerate(columns):
        yield {
            "assignment_id": number + 1,
            "lease": secrets.token_hex(8),
            "project_id": PROJECT,
            "task_key": task + 1,
            "user_id": annotator_name(annotator),
            "state": "surplus" if is_surplus else "done",
            "left_slot": left_slot,
            "claimed_at": time,
            "expires_at": time,
        }


def answer_rows(
    answers: MadeAnswers, *, is_flagged: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64], times: Sequence[str]
) -> Rows:
    """Yield the answers."""
    columns = zip(
        answers.task.tolist(),
        is_flagged.tolist(),
        seconds.round(1).tolist(),
        times,
        answers.is_surplus.tolist(),
        strict=True,
    )
    for number, (task, flagged, taken, time, is_surplus) in enumerate(columns):
        yield {
            "answer_id": number + 1,
            "assignment_id": number + 1,
            "task_key": task + 1,
            "revision": 0,
            "flags": '["pii"]' if flagged else "[]",
            "compared": False,
            "seconds": taken + 5.0,
            "active_seconds": taken,
            "created_at": time,
            "guideline_version": "1",
            "surplus": is_surplus,
            "simulated": True,
            "sha256": f"{number:064x}",
        }


def rating_rows(answers: MadeAnswers, *, is_flagged: npt.NDArray[np.bool_], left: IntArray) -> Rows:
    """Yield both ratings of each answer, left first; a flagged answer has no scores."""
    unrated: Mapping[str, object] = dict.fromkeys(ATTRIBUTES)
    columns = zip(answers.scores.tolist(), is_flagged.tolist(), left.tolist(), strict=True)
    for number, (scores, flagged, left_slot) in enumerate(columns):
        for position in (0, 1):
            slot = left_slot ^ position
            yield {
                "answer_id": number + 1,
                "position": position,
                "slot": slot,
                **(unrated if flagged else dict(zip(ATTRIBUTES, scores[slot], strict=True))),
                "confidence": None if flagged else 2,
                "safe": None if flagged else True,
                "unsafe_reasons": "[]",
            }
