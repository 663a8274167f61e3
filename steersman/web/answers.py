"""Turn what a browser form or a JSON client sends into an Answer, or say everything that is wrong with it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.store.database.answers import Answer, ResponseScores
from steersman.web.guideline import CONFIDENCE_LEVELS, FLAGS

SIDES = ("left", "right")
_SIDE_TITLES = {"left": "Response A", "right": "Response B"}
_MAX_LEASE_LENGTH = 64

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


class AnswerBody(BaseModel):
    """The JSON body of a submit: the lease, then either two scored responses (left, right) or flags."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lease: Annotated[str, Field(min_length=1, max_length=_MAX_LEASE_LENGTH)]
    responses: Annotated[list[ResponseBody], Field(max_length=len(SIDES))] = []
    flags: Annotated[list[str], Field(max_length=len(FLAGS))] = []
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
    faults = _flag_faults(parsed.flags) + (_flagged_faults(parsed) if parsed.flags else _missing_faults(parsed))
    if faults:
        raise DataError(join_faults(faults))
    left, right = parsed.responses or [ResponseBody(), ResponseBody()]
    return Answer(parsed.lease, (_scores(left), _scores(right)), tuple(sorted(parsed.flags)), simulated=parsed.simulated)


def answer_from_form(form: Mapping[str, str]) -> Answer:
    """Return the answer in a rating form, whose fields are `left_helpfulness`, `right_safe` and so on."""
    faults: list[str] = []
    responses = [_scores_from_form(form, side=side, faults=faults) for side in SIDES]
    if faults:
        raise DataError(join_faults(faults))
    return Answer(form.get("lease", ""), (responses[0], responses[1]), (), simulated=False)


def flagged_answer(lease: str, flags: list[str]) -> Answer:
    """Return the answer of an annotator who flags a task instead of rating it; raises DataError for no flag."""
    faults = _flag_faults(flags) or ([] if flags else ["choose at least one reason to flag the task"])
    if faults:
        raise DataError(join_faults(faults))
    unrated = _scores(ResponseBody())
    return Answer(lease, (unrated, unrated), tuple(sorted(flags)), simulated=False)


def _place(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(part) for part in location)}: " if location else ""


def _scores(body: ResponseBody) -> ResponseScores:
    scores = tuple(getattr(body, attribute) for attribute in ATTRIBUTES)
    return ResponseScores(scores, body.confidence, body.safe)


def _flag_faults(flags: list[str]) -> list[str]:
    unknown = [f"unknown flag {flag[:40]!r}; known are {', '.join(FLAGS)}" for flag in flags if flag not in FLAGS]
    return unknown or (["a flag is given twice"] if len(set(flags)) < len(flags) else [])


def _flagged_faults(body: AnswerBody) -> list[str]:
    rated = any(value is not None for response in body.responses for value in response.model_dump().values())
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


def _scores_from_form(form: Mapping[str, str], *, side: str, faults: list[str]) -> ResponseScores:
    scores = tuple(_level(form.get(f"{side}_{attribute}"), highest=MAX_SCORE) for attribute in ATTRIBUTES)
    missing = [attribute for attribute, score in zip(ATTRIBUTES, scores, strict=True) if score is None]
    if missing:
        faults.append(f"{_SIDE_TITLES[side]}: choose a level of {', '.join(missing)}")
    confidence = _level(form.get(f"{side}_confidence"), highest=len(CONFIDENCE_LEVELS) - 1)
    return ResponseScores(scores, confidence, safe=f"{side}_unsafe" not in form)


def _level(text: str | None, *, highest: int) -> int | None:
    return int(text) if text in {str(level) for level in range(highest + 1)} else None
