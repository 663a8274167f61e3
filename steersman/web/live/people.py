"""A report of each member of a project."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from steersman.annotation.reports import Estimate, Rated, biases
from steersman.records import ATTRIBUTES
from steersman.store.database.people import Member
from steersman.web.live.cleaning import Cleaned
from steersman.web.live.loading import KINDS, Loaded
from steersman.web.live.snapshot import AnnotatorReport

_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_START = datetime(1970, 1, 1, tzinfo=UTC)
Known = Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is said of an annotator beside the others."""

    agreement: float | None = None
    shared: int = 0
    constant_share: float | None = None
    untrusted: str | None = None
    bias: Mapping[str, Estimate] | None = None


def reports_of(
    loaded: Loaded, cleaned: Cleaned, *, known: Known, skips: Mapping[str, int]
) -> tuple[AnnotatorReport, ...]:
    """Return a report of each member, by name.

    `known` is the right helpfulness by gold task and slot, `skips` says who gave how many tasks back.
    """
    beside = _beside(cleaned)
    number_of = {name: number for number, name in enumerate(loaded.names)}
    order = np.argsort(loaded.answers.annotator, kind="stable")
    starts = np.searchsorted(loaded.answers.annotator, np.arange(len(loaded.names) + 1), sorter=order)
    reports = []
    for member in loaded.members:
        number = number_of.get(member.user_id)
        mine = order[:0] if number is None else order[starts[number] : starts[number + 1]]
        found = beside.get(member.user_id, _Beside())
        report = _report(loaded, member, mine, beside=found, known=known)
        reports.append(replace(report, skips=skips.get(member.user_id, 0)))
    return tuple(reports)


def _report(
    loaded: Loaded, member: Member, mine: npt.NDArray[np.int64], *, beside: _Beside, known: Known
) -> AnnotatorReport:
    answers, is_rating = loaded.answers, loaded.kind[mine] == KINDS.index("rating")
    counts = mine[loaded.counts_now[mine]]
    is_out = loaded.is_undone[mine] | loaded.is_rejected[mine]
    timed = mine[is_rating & answers.is_active[mine]]
    gold, right = _gold(loaded, mine, known=known)
    return AnnotatorReport(
        user_id=member.user_id,
        stage=member.stage,
        stage_reason=member.reason,
        answers=counts.size,
        responses=int((answers.scores[counts] >= 0).any(axis=2).sum()),
        surplus=int((is_rating & ~is_out & answers.is_surplus[mine]).sum()),
        undone=int((is_rating & loaded.is_undone[mine]).sum()),
        rejected=int((is_rating & loaded.is_rejected[mine]).sum()),
        flags=int((is_rating & ~is_out & answers.is_flagged[mine]).sum()),
        skips=0,
        median_seconds=float(np.median(answers.seconds[timed])) if timed.size else None,
        last_answer_at=_START + timedelta(microseconds=int(answers.time[mine].max())) if mine.size else None,
        agreement=beside.agreement,
        shared=beside.shared,
        bias=beside.bias or {},
        constant_share=beside.constant_share,
        gold=gold,
        gold_right=right / gold if gold else None,
        untrusted=beside.untrusted,
    )


def _gold(loaded: Loaded, mine: npt.NDArray[np.int64], *, known: Known) -> tuple[int, int]:
    """Return how many responses with a known helpfulness somebody rated, and how many of these right."""
    answers, tolerance = loaded.answers, loaded.settings.gold.tolerance
    is_gold = (loaded.kind[mine] == KINDS.index("gold")) & ~loaded.is_undone[mine] & ~loaded.is_rejected[mine]
    judged = right = 0
    for place in mine[is_gold].tolist():
        for position in (0, 1):
            slot = int(answers.left_slot[place]) ^ position
            expected = known.get((int(answers.task[place]), slot))
            given = int(answers.scores[place, position, _HELPFULNESS])
            judged += expected is not None
            right += expected is not None and given >= 0 and abs(given - expected) <= tolerance
    return judged, right


def _beside(cleaned: Cleaned) -> dict[str, _Beside]:
    rated, trust = cleaned.rated, cleaned.trust
    grid = rated.grid
    if grid.response.size == 0:
        return {}
    found = biases(Rated(grid.scores, grid.given, grid.response, grid.annotator, grid.task, trust.is_trusted))
    by_person = [
        {name: estimate for name, estimate in zip(ATTRIBUTES, each, strict=True) if estimate is not None}
        for each in zip(*found, strict=True)
    ]
    figures = trust.figures.select("agreement", "responses", "constant_share").rows()
    return {
        name: _Beside(agreement, shared or 0, constant, reason, bias)
        for name, (agreement, shared, constant), reason, bias in zip(
            rated.annotators, figures, trust.reasons, by_person, strict=True
        )
    }
