"""Lay the answers to one task side by side: which scores stand apart, and preferences in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from steersman.records import ATTRIBUTES
from steersman.store.database.reviewed import GivenAnswer

_FAR = 2.0
_STRENGTHS = {1: "slightly better", 2: "better", 3: "much better"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One score; `is_apart` says that it is two levels or more from the median of the answers that count."""

    score: int | None
    is_apart: bool


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """What one answer says of one response, scores in the order of ATTRIBUTES."""

    answer: GivenAnswer
    cells: tuple[Cell, ...]


def score_table(answers: Sequence[GivenAnswer], *, slot: int) -> list[ScoreRow]:
    """Return one row per answer that has scores, in order of submission."""
    middle = medians(answers, slot=slot)
    nothing = (None,) * len(ATTRIBUTES)
    return [
        ScoreRow(each, tuple(_cells(each.responses[slot].scores, middle if _counts(each) else nothing)))
        for each in answers
        if not each.flags
    ]


def medians(answers: Sequence[GivenAnswer], *, slot: int) -> tuple[float | None, ...]:
    """Return the median of the answers that count by attribute, None where there is none."""
    counted = [each.responses[slot].scores for each in answers if _counts(each)]
    given = [[scores[index] for scores in counted] for index in range(len(ATTRIBUTES))]
    return tuple(_median([score for score in scores if score is not None]) for scores in given)


def preference_words(answer: GivenAnswer) -> str:
    """Return which response an answer prefers, and how much."""
    if not answer.compared:
        return "not asked"
    if answer.strength is None:
        return "neither is valid"
    better = 2 if answer.strength > 0 else 1
    return f"response {better} is {_STRENGTHS[abs(answer.strength)]}"


def _median(scores: Sequence[int]) -> float | None:
    return float(median(scores)) if scores else None


def _counts(answer: GivenAnswer) -> bool:
    return answer.withdrawn is None and not answer.surplus


def _cells(scores: Sequence[int | None], middle: Sequence[float | None]) -> Iterator[Cell]:
    for score, m in zip(scores, middle, strict=True):
        yield Cell(score, score is not None and m is not None and abs(score - m) >= _FAR)
