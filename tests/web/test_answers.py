import json
from collections.abc import Mapping

import pytest

from steersman.config.annotating import FormSettings
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.web.answer_forms import RatingForm, answer_from_form, fields_of, flagged_answer, skip_reason
from steersman.web.answers import answer_from_json, comparison_faults

REQUIRED = FormSettings.model_validate({"preference": "required", "min_justification": 5})
OPTIONAL = FormSettings.model_validate({"preference": "optional", "min_justification": 5})
OFF = FormSettings.model_validate({"preference": "off"})
SCORES = dict.fromkeys(ATTRIBUTES, 3)


def form(**changes: str | list[str] | None) -> RatingForm:
    """Return a whole form with some fields changed, or left out where they are None."""
    fields: dict[str, list[str]] = {f"{side}_{name}": ["3"] for side in ("left", "right") for name in ATTRIBUTES}
    fields |= {"lease": ["lease-1"], "left_unsafe": ["0"], "right_unsafe": ["0"]}
    for name, value in changes.items():
        fields[name] = [] if value is None else [value] if isinstance(value, str) else value
    return RatingForm(fields)


def body(**changes: object) -> bytes:
    whole: Mapping[str, object] = {"lease": "lease-1", "responses": [SCORES, SCORES], **changes}
    return json.dumps(whole).encode()


def faults_of(changed: RatingForm) -> str:
    return "; ".join(answer_from_form(changed)[1])


def compared(strength: int | None, text: str | None = None) -> Answer:
    rated = ResponseScores((3,) * len(ATTRIBUTES))
    return Answer("lease-1", (rated, rated), comparison=Comparison(strength, text))


def test_a_whole_form_is_an_answer() -> None:
    answer, faults = answer_from_form(
        form(
            left_helpfulness="0",
            left_confidence="2",
            right_unsafe="1",
            right_unsafe_reason=["illegal", "bias"],
            strength="-2",
            justification=" A is right. ",
            revision="1",
            active_seconds="12.5",
        )
    )
    assert faults == []
    left = ResponseScores((0, 3, 3, 3, 3), 2, safe=True)
    right = ResponseScores((3, 3, 3, 3, 3), None, safe=False, unsafe_reasons=("bias", "illegal"))
    comparison = Comparison(-2, "A is right.")
    assert answer == Answer("lease-1", (left, right), (), comparison, 1, 12.5, simulated=False)


def test_a_form_says_everything_that_is_wrong_with_it_at_once() -> None:
    wrong = form(left_helpfulness=None, left_verbosity="5", right_coherence="x", right_unsafe="1", justification="Why")
    assert answer_from_form(wrong)[1] == [
        "Response A: choose a level of helpfulness, verbosity",
        "Response B: choose a level of coherence",
        "Response B: choose at least one reason why it is not safe",
        "you say why one response is better; choose which one, or clear the text",
    ]


def test_reasons_that_were_hidden_again_do_not_count() -> None:
    answer, faults = answer_from_form(form(left_unsafe="0", left_unsafe_reason=["bias"]))
    assert (answer.responses[0].safe, answer.responses[0].unsafe_reasons, faults) == (True, (), [])


def test_a_form_that_does_not_say_whether_a_response_is_safe_leaves_it_unknown() -> None:
    assert answer_from_form(form(left_unsafe=None))[0].responses[0].safe is None


def test_an_invented_reason_is_none() -> None:
    assert "at least one reason" in faults_of(form(left_unsafe="1", left_unsafe_reason=["because"]))


def test_neither_is_valid_is_a_comparison_without_a_strength() -> None:
    assert answer_from_form(form(strength="neither", justification="Both"))[0].comparison == Comparison(None, "Both")


@pytest.mark.parametrize("strength", ["0", "4", "-4", "1.0", "+1", ""])
def test_a_strength_outside_the_six_levels_is_no_comparison(strength: str) -> None:
    assert answer_from_form(form(strength=strength))[0].comparison is None


def test_a_justification_that_is_far_too_long_is_refused() -> None:
    assert "at most 4000 characters, there are 4001" in faults_of(form(strength="1", justification="a" * 4001))


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "", "1e9", "soon"])
def test_a_time_that_cannot_be_is_no_time(text: str) -> None:
    assert answer_from_form(form(active_seconds=text))[0].active_seconds is None


@pytest.mark.parametrize(("text", "revision"), [("3", 3), ("", 0), ("-1", 0), ("9" * 40, 0), ("x", 0)])
def test_a_revision_is_a_small_number(text: str, revision: int) -> None:
    assert answer_from_form(form(revision=text))[0].revision == revision


def test_a_flagged_form_has_no_scores() -> None:
    answer = flagged_answer(form(flag=["pii", "needs_code"], revision="2"))
    assert answer.flags == ("needs_code", "pii")
    assert answer.revision == 2
    assert [set(each.scores) for each in answer.responses] == [{None}, {None}]


@pytest.mark.parametrize(
    ("flags", "told"), [([], "at least one reason"), (["rude"], "known are pii"), (["pii"] * 2, "twice")]
)
def test_flags_must_be_known_ones(flags: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        flagged_answer(form(flag=flags))


def test_giving_a_task_away_needs_a_reason() -> None:
    with pytest.raises(DataError, match="say why"):
        skip_reason(form())
    assert skip_reason(form(skip_reason="other", skip_note="I wrote it")) == "other: I wrote it"
    assert len(skip_reason(form(skip_note="a" * 2000))) == 500


def test_the_fields_of_an_answer_give_the_same_answer() -> None:
    whole = form(
        left_confidence="1",
        right_unsafe="1",
        right_unsafe_reason=["harmful"],
        strength="neither",
        justification="Both are off the topic.",
        revision="1",
    )
    answer = answer_from_form(whole)[0]
    again = {**fields_of(answer), "lease": ["lease-1"], "revision": ["1"]}
    assert answer_from_form(RatingForm(again)) == (answer, [])


def test_a_required_comparison_is_missed() -> None:
    without = answer_from_form(form())[0]
    assert comparison_faults(without, form=REQUIRED) == ["choose which response is better"]
    assert comparison_faults(without, form=OPTIONAL) == []
    assert comparison_faults(without, form=OFF) == []


@pytest.mark.parametrize("settings", [REQUIRED, OPTIONAL])
def test_a_comparison_says_why(settings: FormSettings) -> None:
    short = ["say why in at least 5 characters, there are 4"]
    assert comparison_faults(compared(2, "Well"), form=settings) == short
    assert comparison_faults(compared(None, "Well"), form=settings) == short
    assert comparison_faults(compared(2, "Wells"), form=settings) == []


def test_blanks_are_no_reason() -> None:
    assert comparison_faults(compared(1, "  a         "), form=REQUIRED) == [
        "say why in at least 5 characters, there are 1"
    ]


def test_a_comparison_that_nobody_asked_for_is_refused() -> None:
    assert comparison_faults(compared(1, "Why not"), form=OFF) == ["this project does not ask which response is better"]


def test_a_flagged_task_needs_no_comparison_and_takes_none() -> None:
    flagged = flagged_answer(form(flag=["pii"]))
    assert comparison_faults(flagged, form=REQUIRED) == []
    answer = answer_from_json(body(responses=[], flags=["pii"], comparison={"strength": 1}))
    assert comparison_faults(answer, form=REQUIRED) == ["a flagged task takes no comparison"]


def test_a_program_may_leave_out_all_but_the_scores() -> None:
    answer = answer_from_json(body())
    rated = ResponseScores((3,) * len(ATTRIBUTES))
    assert answer == Answer("lease-1", (rated, rated))


def test_a_program_may_say_all_that_a_form_says() -> None:
    first = {**SCORES, "confidence": 0, "safe": False, "unsafe_reasons": ["profanity", "bias"]}
    answer = answer_from_json(
        body(
            responses=[first, SCORES],
            comparison={"strength": 3, "justification": " B "},
            revision=2,
            active_seconds=4,
            simulated=True,
        )
    )
    assert answer.responses[0].unsafe_reasons == ("bias", "profanity")
    assert answer.comparison == Comparison(3, "B")
    assert (answer.revision, answer.active_seconds, answer.simulated) == (2, 4.0, True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"comparison": {"strength": 0}}, "comparison.strength"),
        ({"comparison": {"strength": 4}}, "comparison.strength"),
        ({"comparison": {}}, "comparison.strength"),
        ({"comparison": {"strength": 1, "sure": True}}, "comparison.sure"),
        ({"revision": -1}, "revision"),
        ({"revision": True}, "revision"),
        ({"active_seconds": -0.1}, "active_seconds"),
        ({"responses": [{**SCORES, "safe": True, "unsafe_reasons": ["bias"]}, SCORES]}, "not safe"),
        ({"responses": [{**SCORES, "safe": False, "unsafe_reasons": ["odd"]}, SCORES]}, "known are harmful"),
        ({"responses": [{**SCORES, "safe": False, "unsafe_reasons": ["bias"] * 2}, SCORES]}, "twice"),
        ({"responses": [SCORES]}, "left and the right one, got 1"),
        ({"responses": [{"helpfulness": 5}, SCORES]}, "responses.0.helpfulness"),
        ({"flags": ["pii"]}, "takes no scores"),
        ({"lease": ""}, "lease"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_program_is_told_what_is_wrong(changes: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        answer_from_json(body(**changes))


def test_a_program_is_told_of_all_missing_scores() -> None:
    left = {name: 1 for name in ATTRIBUTES if name != "coherence"}
    with pytest.raises(DataError, match=r"left response: no coherence.*right response: no helpfulness"):
        answer_from_json(body(responses=[left, {}]))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"lease": "a", "active_seconds": NaN}'])
def test_what_is_no_json_of_an_answer_is_refused(text: bytes) -> None:
    with pytest.raises(DataError):
        answer_from_json(text)
