"""Turn the form of the rating page into an Answer, or say everything that is wrong with it; and an Answer into fields.

Fields: lease, revision, active_seconds; for each side `left_helpfulness` and so on, `left_confidence`, `left_unsafe`
(1 or 0), `left_unsafe_reason` (several); strength (-3 to 3, or neither), justification; flag (several); skip_reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, MAX_SCORE
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.web.answers import (
    MAX_ACTIVE_SECONDS,
    MAX_JUSTIFICATION,
    MAX_REVISION,
    SIDES,
    flag_faults,
)
from steersman.web.guideline import CONFIDENCE_LEVELS, NEITHER, STRENGTHS, UNSAFE_REASONS

_SIDE_TITLES = {"left": "Response A", "right": "Response B"}
_MAX_REASON = 500
_UNRATED = ResponseScores((None,) * len(ATTRIBUTES))


@dataclass(frozen=True, slots=True)
class RatingForm:
    """The fields of a posted form; a field that was left out has no values."""

    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return the only value of a field, without blanks around it; empty when it was left out."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def texts(self, name: str) -> list[str]:
        """Return all values of a field."""
        return list(self.fields.get(name, ()))


def answer_from_form(form: RatingForm) -> tuple[Answer, list[str]]:
    """Return the answer in a rating form as far as it can be read, and everything that is wrong with it.

    Whether its comparison is what the project asks for is for `web.answers.comparison_faults` to say.
    """
    faults: list[str] = []
    responses = [_scores(form, side=side, faults=faults) for side in SIDES]
    answer = Answer(
        form.text("lease"),
        (responses[0], responses[1]),
        comparison=_comparison(form, faults=faults),
        revision=_revision(form),
        active_seconds=_active_seconds(form),
        simulated=False,
    )
    return answer, faults


def flagged_answer(form: RatingForm) -> Answer:
    """Return the answer of an annotator who flags a task instead of rating it; raises DataError for no flag."""
    flags = form.texts("flag")
    faults = flag_faults(flags) or ([] if flags else ["choose at least one reason why it cannot be rated"])
    if faults:
        raise DataError(join_faults(faults))
    return Answer(
        form.text("lease"),
        (_UNRATED, _UNRATED),
        tuple(sorted(flags)),
        revision=_revision(form),
        active_seconds=_active_seconds(form),
        simulated=False,
    )


def skip_reason(form: RatingForm) -> str:
    """Return why a task is given to someone else; raises DataError when nothing is said."""
    reason, note = form.text("skip_reason"), form.text("skip_note")
    if not reason and not note:
        raise DataError("say why someone else should do this task")
    return ": ".join(part for part in (reason, note) if part)[:_MAX_REASON]


def fields_of(answer: Answer) -> dict[str, list[str]]:
    """Return the fields of a rating form that gives this answer."""
    fields: dict[str, list[str]] = {"flag": list(answer.flags)}
    for side, said in zip(SIDES, answer.responses, strict=True):
        values = zip(ATTRIBUTES, said.scores, strict=True)
        fields |= {f"{side}_{attribute}": [str(score)] for attribute, score in values if score is not None}
        if said.confidence is not None:
            fields[f"{side}_confidence"] = [str(said.confidence)]
        if said.safe is not None:
            fields[f"{side}_unsafe"] = ["0" if said.safe else "1"]
        fields[f"{side}_unsafe_reason"] = list(said.unsafe_reasons)
    if answer.comparison is not None:
        strength = answer.comparison.strength
        fields["strength"] = [NEITHER if strength is None else str(strength)]
        fields["justification"] = [answer.comparison.justification or ""]
    return {name: values for name, values in fields.items() if values}


def _scores(form: RatingForm, *, side: str, faults: list[str]) -> ResponseScores:
    scores = tuple(_level(form.text(f"{side}_{attribute}"), highest=MAX_SCORE) for attribute in ATTRIBUTES)
    missing = [attribute for attribute, score in zip(ATTRIBUTES, scores, strict=True) if score is None]
    if missing:
        faults.append(f"{_SIDE_TITLES[side]}: choose a level of {', '.join(missing)}")
    confidence = _level(form.text(f"{side}_confidence"), highest=len(CONFIDENCE_LEVELS) - 1)
    safe = {"0": True, "1": False}.get(form.text(f"{side}_unsafe"))
    # reasons that were ticked and then hidden by "safe" again do not count
    reasons = sorted(set(form.texts(f"{side}_unsafe_reason")) & set(UNSAFE_REASONS)) if safe is False else []
    if safe is False and not reasons:
        faults.append(f"{_SIDE_TITLES[side]}: choose at least one reason why it is not safe")
    return ResponseScores(scores, confidence, safe, tuple(reasons))


def _level(text: str, *, highest: int) -> int | None:
    return int(text) if text in {str(level) for level in range(highest + 1)} else None


def _comparison(form: RatingForm, *, faults: list[str]) -> Comparison | None:
    strength, justification = form.text("strength"), form.text("justification")
    if len(justification) > MAX_JUSTIFICATION:
        faults.append(f"say why in at most {MAX_JUSTIFICATION} characters, there are {len(justification)}")
    if strength == NEITHER:
        return Comparison(None, justification or None)
    if strength in {str(each) for each in STRENGTHS}:
        return Comparison(int(strength), justification or None)
    if justification:
        faults.append("you say why one response is better; choose which one, or clear the text")
    return None


def _revision(form: RatingForm) -> int:
    text = form.text("revision")
    # not more digits than the highest has: some numbers are too long to be read
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_REVISION))
    return int(text) if is_number and int(text) <= MAX_REVISION else 0


def _active_seconds(form: RatingForm) -> float | None:
    try:
        seconds = float(form.text("active_seconds"))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= MAX_ACTIVE_SECONDS else None
