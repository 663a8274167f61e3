"""Refuse conversations that are longer than a model may be given, before any of them is scored."""

from collections.abc import Sequence
from typing import Protocol

from steersman.errors import DataError, join_faults
from steersman.protocols import Advance, Scored, Scorer


class ConversationTooLongError(DataError):
    """Rows with more tokens than one conversation may have."""


class MeasuringScorer(Scorer, Protocol):
    """A scorer that can tell how long its conversations are."""

    def lengths(self, prompts: Sequence[str], responses: Sequence[str]) -> list[int]:
        """Return the tokens of each prompt with its response, one per row, in order."""
        ...


class LimitedScorer:
    """A `Scorer` that takes conversations of at most `max_tokens` tokens: the work for one grows with their square."""

    def __init__(self, scorer: MeasuringScorer, *, max_tokens: int) -> None:
        self._scorer = scorer
        self._max_tokens = max_tokens

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return the scores of all rows, or of none: raises ConversationTooLongError that names every long row."""
        check_lengths(self._scorer.lengths(prompts, responses), max_tokens=self._max_tokens)
        return self._scorer.score(prompts, responses, advance=advance)


def check_lengths(lengths: Sequence[int], *, max_tokens: int) -> None:
    """Raise ConversationTooLongError, with the number of every row above `max_tokens`, counted from 0."""
    faults = [f"row {row} has {length} tokens" for row, length in enumerate(lengths) if length > max_tokens]
    if faults:
        raise ConversationTooLongError(
            f"{join_faults(faults)}; a prompt and its response may have {max_tokens} together, so shorten or leave out"
            " such rows (the first row is row 0)"
        )
