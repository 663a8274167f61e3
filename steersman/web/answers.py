"""Turn what a JSON client sends into an Answer, or say everything that is wrong with it; rules that all answers keep.

`web.answer_forms` does the same for the form of the rating page.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.config.annotating import FormSettings
from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.web.guideline import CONFIDENCE_LEVELS, FLAGS, UNSAFE_REASONS

SIDES = ("left", "right")
MAX_LEASE_LENGTH = 64
MAX_JUSTIFICATION = 4000
# an undo or two in one task is common, a thousand is not
MAX_REVISION = 1000
MAX_ACTIVE_SECONDS = 7 * 86_400.0

ScoreField = Annotated[int | None, Field(ge=MIN_SCORE, le=MAX_SCORE)]


class ResponseBody(BaseModel):
    """Scores of one response; all five are needed unless the task is flagged, then none may be there."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    helpfulness: ScoreField = None
    correctness: ScoreField = None
    coherence: ScoreField = None
    complexity: ScoreField = None
    verbosity: ScoreField = None
    confidence: Annotated[int | None, Field(ge=0, lt=len(CONFIDENCE_LEVELS))] = None
    safe: bool | None = None
    unsafe_reasons: Annotated[list[str], Field(max_length=len(UNSAFE_REASONS))] = []


class ComparisonBody(BaseModel):
    """How much better the right response is than the left one, null when neither is valid, and why."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    strength: Literal[-3, -2, -1, 1, 2, 3] | None
    justification: Annotated[str | None, Field(max_length=MAX_JUSTIFICATION)] = None


class AnswerBody(BaseModel):
    """The JSON body of a submit: the lease, then either two scored responses (left, right) or flags."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lease: Annotated[str, Field(min_length=1, max_length=MAX_LEASE_LENGTH)]
    responses: Annotated[list[ResponseBody], Field(max_length=len(SIDES))] = []
    flags: Annotated[list[str], Field(max_length=len(FLAGS))] = []
    comparison: ComparisonBody | None = None
    revision: Annotated[int, Field(ge=0, le=MAX_REVISION)] = 0
    active_seconds: Annotated[float | None, Field(ge=0, le=MAX_ACTIVE_SECONDS, allow_inf_nan=False)] = None
    simulated: bool | None = None


def answer_from_json(body: bytes) -> Answer:
    """Return the answer in a JSON body; raises DataError that names every fault."""
    try:
        parsed = AnswerBody.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"{_place(each['loc'])}{each['msg']}" for each in error.errors(include_url=False, include_input=False)
        ]
        raise DataError(join_faults(faults)) from error
    faults = flag_faults(parsed.flags) + (_flagged_faults(parsed) if parsed.flags else _missing_faults(parsed))
    faults += [fault for each in parsed.responses for fault in _reason_faults(each)]
    if faults:
        raise DataError(join_faults(faults))
    left, right = parsed.responses or [ResponseBody(), ResponseBody()]
    return Answer(
        parsed.lease,
        (_scores(left), _scores(right)),
        tuple(sorted(parsed.flags)),
        comparison=_comparison(parsed.comparison),
        revision=parsed.revision,
        active_seconds=parsed.active_seconds,
        simulated=parsed.simulated,
    )


def comparison_faults(answer: Answer, *, form: FormSettings) -> list[str]:
    """Return what is wrong with the comparison of an answer in a project that asks what `form` says."""
    comparison = answer.comparison
    if answer.flags:
        return [] if comparison is None else ["a flagged task takes no comparison"]
    if form.preference == "off":
        return [] if comparison is None else ["this project does not ask which response is better"]
    if comparison is None:
        return ["choose which response is better"] if form.preference == "required" else []
    given = len((comparison.justification or "").strip())
    if given < form.min_justification:
        return [f"say why in at least {form.min_justification} characters, there are {given}"]
    return []


def flag_faults(flags: list[str]) -> list[str]:
    """Return what is wrong with a list of flags; none at all is fine."""
    return _choice_faults(flags, known=FLAGS, name="flag")


def _place(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(part) for part in location)}: " if location else ""


def _scores(body: ResponseBody) -> ResponseScores:
    scores = tuple(getattr(body, attribute) for attribute in ATTRIBUTES)
    return ResponseScores(scores, body.confidence, body.safe, tuple(sorted(body.unsafe_reasons)))


def _comparison(body: ComparisonBody | None) -> Comparison | None:
    if body is None:
        return None
    return Comparison(body.strength, (body.justification or "").strip() or None)


def _choice_faults(chosen: list[str], *, known: dict[str, str], name: str) -> list[str]:
    unknown = [f"unknown {name} {each[:40]!r}; known are {', '.join(known)}" for each in chosen if each not in known]
    return unknown or ([f"a {name} is given twice"] if len(set(chosen)) < len(chosen) else [])


def _reason_faults(body: ResponseBody) -> list[str]:
    if body.unsafe_reasons and body.safe is not False:
        return ["unsafe_reasons are for a response that is not safe"]
    return _choice_faults(body.unsafe_reasons, known=UNSAFE_REASONS, name="reason")


def _flagged_faults(body: AnswerBody) -> list[str]:
    rated = any(value not in (None, []) for response in body.responses for value in response.model_dump().values())
    if rated:
        return ["a flagged task takes no scores; send flags or scores"]
    return [] if len(body.responses) in (0, len(SIDES)) else ["send no responses with flags"]


def _missing_faults(body: AnswerBody) -> list[str]:
    if len(body.responses) != len(SIDES):
        return [f"responses must be the left and the right one, got {len(body.responses)}"]
    return [
        f"{side} response: no {attribute}"
        for side, response in zip(SIDES, body.responses, strict=True)
        for attribute in ATTRIBUTES
        if getattr(response, attribute) is None
    ]
