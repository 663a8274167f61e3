"""Judge annotators by responses whose right scores are known: the qualification test, and gold tasks afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

from steersman.config.annotating import GoldSettings, QualificationSettings
from steersman.records import ATTRIBUTES

_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class Checked:
    """One response that was rated and whose right scores are known, both in the order of ATTRIBUTES.

    None among the known ones means that any score is fine; None among the given ones is a flag, and wrong.
    """

    given: tuple[int | None, ...]
    known: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The share of scores that are right, of how many, and whether that is enough; None while it is too early."""

    right_share: float
    num_scores: int
    is_enough: bool | None


def qualification_verdict(checked: Sequence[Checked], *, settings: QualificationSettings) -> Verdict:
    """Return how the test went; too early while fewer responses are rated than it has."""
    hits = [
        _is_right(given, known, tolerance=settings.tolerance)
        for each in checked
        for given, known in zip(each.given, each.known, strict=True)
        if known is not None
    ]
    share = sum(hits) / len(hits) if hits else 1.0
    is_over = len(checked) >= settings.responses
    return Verdict(share, len(hits), share >= settings.pass_mark if is_over else None)


def gold_verdict(checked: Sequence[Checked], *, settings: GoldSettings) -> Verdict:
    """Return how the last gold responses went, oldest first in `checked`; helpfulness is judged, as in cleaning."""
    hits = [
        _is_right(each.given[_HELPFULNESS], each.known[_HELPFULNESS], tolerance=settings.tolerance)
        for each in checked
        if each.known[_HELPFULNESS] is not None
    ][-settings.window :]
    share = sum(hits) / len(hits) if hits else 1.0
    if len(hits) < settings.min_responses:
        return Verdict(share, len(hits), None)
    return Verdict(share, len(hits), 1.0 - share <= settings.max_failures)


def _is_right(given: int | None, known: int | None, *, tolerance: int) -> bool:
    return given is not None and known is not None and abs(given - known) <= tolerance
