"""The licence ledger: known works, what they were made from, and whether commercial use of them is clear.

A lineage names what Steersman itself used. The ledger goes on from there: it holds what those works were trained on
or labelled with, where that is published, so that a verdict sees an ancestor that hides behind a permissive licence.
The rule and its limits are argued in docs/decisions/0003-licence-verdicts.md; it is a reading aid, not legal advice.
"""

import graphlib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from steersman.config.loading import Settings, load_settings
from steersman.errors import DataError
from steersman.store.lineage import Ancestor

LEDGER_FILE = Path(__file__).with_name("ledger.yaml")

CommercialUse = Literal["clear", "unclear", "forbidden"]
_SEVERITY: dict[CommercialUse, int] = {"clear": 0, "unclear": 1, "forbidden": 2}

# SPDX identifiers, lower case because hubs write them so.
_PERMISSIVE = frozenset(
    {"0bsd", "apache-2.0", "bsd-1-clause", "bsd-2-clause", "bsd-3-clause", "bsd-4-clause", "cc-by-4.0", "cc0-1.0"}
    | {"cc-by-sa-4.0", "mit", "odc-by", "odc-by-1.0"}
)
_SHARE_ALIKE = "cc-by-sa-4.0"
# "CC BY-NC 4.0", "PolyForm-Noncommercial-1.0.0", "fair-noncommercial-research-license": hubs write all of these.
_NON_COMMERCIAL = re.compile(r"cc-by-nc(-|$)|non-?commercial")
_GAPS = re.compile(r"[\s_]+")


class Work(Settings):
    """One known model, dataset or program output."""

    name: str = Field(min_length=1, description="hub name (owner/name), or a name of Steersman's own")
    also: tuple[str, ...] = Field((), description="other names of the same work under the same terms")
    licence: str | None = Field(
        description="SPDX identifier or the name of the terms; null = none needed or none known"
    )
    commercial: CommercialUse = Field(description="what the work's own licence allows, its ancestors left aside")
    reason: str = Field(min_length=1, description="why `commercial` is what it is")
    url: str | None = Field(None, description="public page that says so; null for works of Steersman's own")
    note: str | None = Field(None, description="what a reader should know that does not change the verdict")
    made_from: dict[str, str] = Field(
        default_factory=dict, description="works it was trained on or labelled with -> what they gave"
    )


class Ledger(Settings):
    """Known works; every name is unique whatever its case, every ancestor is known, and no work is its own ancestor."""

    works: tuple[Work, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for name in (each for work in self.works for each in (work.name, *work.also)):
            if name.casefold() in seen:
                raise ValueError(f"'{name}' stands in the ledger twice")
            seen.add(name.casefold())
        return self

    @model_validator(mode="after")
    def _ancestors_are_known(self) -> Self:
        names = {work.name for work in self.works}
        for work in self.works:
            missing = sorted(set(work.made_from) - names)
            if missing:
                raise ValueError(f"'{work.name}' is made from {missing}, which the ledger does not hold")
        return self

    @model_validator(mode="after")
    def _ancestry_has_no_cycle(self) -> Self:
        try:
            graphlib.TopologicalSorter({work.name: set(work.made_from) for work in self.works}).prepare()
        except graphlib.CycleError as error:
            raise ValueError(f"the ancestry runs in a circle: {' <- '.join(error.args[1])}") from error
        return self


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands against commercial use, and the chain of works from the ancestor to it."""

    commercial: CommercialUse
    via: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class JudgedAncestor:
    """An ancestor with its own verdict. `via` leads from the ancestor to the work that decided it."""

    ancestor: Ancestor
    licence: str | None
    commercial: CommercialUse
    reason: str
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether commercial use is clear, and why: the gravest reason first, then notes, then what was simulated."""

    commercial_use: CommercialUse
    reasons: tuple[str, ...]
    ancestors: tuple[JudgedAncestor, ...]
    simulated: bool


def read_ledger(path: Path) -> Ledger:
    """Return the ledger in a YAML file; raises ConfigError that names its faults, DataError when it is missing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such ledger; check the path") from error
    return load_settings(text, model=Ledger, source=str(path))


@cache
def shipped_ledger() -> Ledger:
    """Return the ledger that comes with Steersman."""
    return read_ledger(LEDGER_FILE)


def worst(uses: Sequence[CommercialUse]) -> CommercialUse:
    """Return the gravest of `uses`; of none, "unclear": nothing is known."""
    return max(uses, key=_SEVERITY.__getitem__, default="unclear")


def judge_licence(licence: str | None) -> tuple[CommercialUse, str]:
    """Return what a stated licence alone allows, and why."""
    if licence is None:
        return "unclear", "no licence is known"
    key = _key(licence)
    if _NON_COMMERCIAL.search(key):
        return "forbidden", f"{licence} excludes commercial use"
    if key == _SHARE_ALIKE:
        return "clear", f"{licence} allows commercial use; adaptations must carry the same licence"
    if key in _PERMISSIVE:
        return "clear", f"{licence} allows commercial use"
    return "unclear", f"'{licence}' is not a licence Steersman knows; read its terms"


def _key(licence: str) -> str:
    return _GAPS.sub("-", licence.strip().casefold())


def judge(ancestors: Sequence[Ancestor], *, ledger: Ledger | None = None) -> Verdict:
    """Return the verdict on something made from `ancestors`: the worst of theirs and of all works behind them.

    A work in the ledger is judged by it, any other by its own stated licence; terms that forbid a work of the ledger
    forbid any other under them. Names match exactly or but for case. `ledger` None is the shipped one.
    """
    known = ledger or shipped_ledger()
    names, terms = _works_by_name(known), _forbidding_terms(known)
    judged: list[JudgedAncestor] = []
    findings: list[Finding] = []
    notes: list[str] = []
    for ancestor in ancestors:
        work = names.get(ancestor.work) or names.get(ancestor.work.casefold())
        found = [*_own_finding(work), *_inherited_findings(work, names=names)] if work else []
        found += _stated_findings(ancestor, work=work, terms=terms)
        findings += found
        notes += _notes(ancestor, work=work)
        judged.append(_judged(ancestor, work=work, findings=found))
    use = worst([each.commercial for each in judged])
    against = sorted(findings, key=lambda each: -_SEVERITY[each.commercial])
    simulated = [f"{each.role} were simulated: {each.work}" for each in ancestors if each.simulated]
    reasons = [each.text for each in against] or [_nothing_against(judged)]
    return Verdict(use, tuple(dict.fromkeys([*reasons, *notes, *simulated])), tuple(judged), bool(simulated))


def _works_by_name(ledger: Ledger) -> dict[str, Work]:
    """Return works by exact name, and by case-folded name where that is no exact name already."""
    exact = {name: work for work in ledger.works for name in (work.name, *work.also)}
    return {name.casefold(): work for name, work in exact.items()} | exact


def _forbidding_terms(ledger: Ledger) -> dict[str, Work]:
    """Return, by the key of their licence, the works whose own terms forbid commercial use, the first of each."""
    forbidden = [work for work in ledger.works if work.commercial == "forbidden"]
    return {_key(work.licence): work for work in reversed(forbidden) if work.licence}


def _own_finding(work: Work) -> list[Finding]:
    if work.commercial == "clear":
        return []
    return [Finding(work.commercial, (work.name,), f"{work.name}: {work.reason}")]


def _inherited_findings(work: Work, *, names: Mapping[str, Work]) -> list[Finding]:
    """Return one finding for every way into a restricted work, by the shortest chain, nearest first."""
    found: list[Finding] = []
    reached = {work.name}
    waiting: deque[tuple[tuple[str, ...], str]] = deque([((work.name,), work.name)])
    while waiting:
        via, words = waiting.popleft()
        for name, gave in names[via[-1]].made_from.items():
            part = names[name]
            chain, chain_words = (*via, name), f"{words} <- {name} ({gave})"
            if part.commercial != "clear":
                found.append(Finding(part.commercial, chain, f"{chain_words}: {part.reason}"))
            if name not in reached:
                reached.add(name)
                waiting.append((chain, chain_words))
    return found


def _stated_findings(ancestor: Ancestor, *, work: Work | None, terms: Mapping[str, Work]) -> list[Finding]:
    use, why = judge_licence(ancestor.licence)
    same = terms.get(_key(ancestor.licence)) if ancestor.licence else None
    if use == "unclear" and same is not None and same is not work:
        use, why = same.commercial, f"under the same terms as {same.name}: {same.reason}"
    # a lineage may know of a stricter copy of a known work; it is never taken to be more generous than the ledger
    if use == "clear" or (work is not None and use != "forbidden"):
        return []
    name = work.name if work else ancestor.work
    return [Finding(use, (name,), f"{name}: {why}")]


def _notes(ancestor: Ancestor, *, work: Work | None) -> list[str]:
    if work is None:
        return [f"note: {ancestor.work} is not in the ledger; what it was made from is not known here"]
    return [f"note: {work.name}: {work.note}"] if work.note else []


def _judged(ancestor: Ancestor, *, work: Work | None, findings: Sequence[Finding]) -> JudgedAncestor:
    licence = work.licence if work else ancestor.licence
    if findings:
        gravest = max(findings, key=lambda each: _SEVERITY[each.commercial])
        return JudgedAncestor(ancestor, licence, gravest.commercial, gravest.text, gravest.via)
    reason = work.reason if work else judge_licence(ancestor.licence)[1]
    return JudgedAncestor(ancestor, licence, "clear", reason, (work.name if work else ancestor.work,))


def _nothing_against(judged: Sequence[JudgedAncestor]) -> str:
    if not judged:
        return "no ancestor is recorded, so nothing is known about its licences"
    return "the known licences of all ancestors allow commercial use"
