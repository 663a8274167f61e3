"""The check at the door: every fault is found, what passes has exactly the columns of its table."""

import polars as pl
import pytest

from steersman.errors import MAX_FAULTS_SHOWN, DataError
from steersman.records import ATTRIBUTES
from steersman.tables import DISAGREEMENTS, EXAMPLES, PAIRS, PROMPTS, RATINGS, RESPONSES, check_table, row_faults
from steersman.tables import table_from_rows as from_rows

EXAMPLE: dict[str, object] = {"prompt": "p", "response": "r", **dict.fromkeys(ATTRIBUTES, 3)}
RATING = EXAMPLE | {"task_id": "t", "response_id": "r1", "position": 0, "annotator": "a"}
PAIR: dict[str, object] = {"prompt": "p", "chosen": "a", "rejected": "b", "margin": 1}
RESPONSE: dict[str, object] = {"prompt_id": "p", "response_id": "r", "response": "text", "generator": "g"}
PROMPT: dict[str, object] = {"prompt_id": "p", "messages": [], "source": "s", "licence": None}


@pytest.mark.parametrize("score", [0, 4, 3.0])
def test_a_score_on_the_scale_passes(score: float) -> None:
    assert row_faults(EXAMPLE | {"helpfulness": score}, table=EXAMPLES) == []


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (5, "must be from 0 to 4"),
        (-1, "must be from 0 to 4"),
        (2.5, "must be a whole number"),
        (True, "must be a whole number"),
        ("3", "must be a whole number"),
        (float("nan"), "must be a whole number"),
        (None, "is empty"),
    ],
)
def test_a_score_off_the_scale_is_a_fault(score: object, words: str) -> None:
    (fault,) = row_faults(EXAMPLE | {"helpfulness": score}, table=EXAMPLES)
    assert fault.startswith(f"'helpfulness' {words}")


def test_a_rating_may_leave_an_attribute_unrated() -> None:
    assert row_faults(RATING | {"complexity": None}, table=RATINGS) == []


def test_a_missing_column_is_a_fault_only_where_it_is_required() -> None:
    without = {name: value for name, value in RATING.items() if name != "annotator"}
    assert row_faults(without, table=RATINGS) == ["no 'annotator'"]


@pytest.mark.parametrize("values", [[], [0, 5], [1, None], "123", [1.5]])
def test_a_list_of_ratings_holds_whole_numbers_on_the_scale(values: object) -> None:
    row = EXAMPLE | {name: [1, 2] for name in ATTRIBUTES} | {"verbosity": values}
    assert len(row_faults(row, table=DISAGREEMENTS)) == 1


@pytest.mark.parametrize("margin", [float("nan"), float("inf"), 10**400, -0.5])
def test_a_margin_is_a_finite_number_from_zero_up(margin: float) -> None:
    assert len(row_faults(PAIR | {"margin": margin}, table=PAIRS)) == 1


@pytest.mark.parametrize(("seed", "num_faults"), [(2**63 - 1, 0), (2**63, 1), (1e19, 1)])
def test_a_whole_number_that_a_table_cannot_hold_is_a_fault_not_a_null(seed: float, num_faults: int) -> None:
    assert len(row_faults(RESPONSE | {"seed": seed}, table=RESPONSES)) == num_faults


def test_half_a_surrogate_pair_is_a_fault() -> None:
    assert len(row_faults(RESPONSE | {"response": "\ud800"}, table=RESPONSES)) == 1


@pytest.mark.parametrize("messages", ["hello", [{"role": "user"}], [{"role": 1, "content": "x"}], ["x"]])
def test_a_message_has_a_role_and_a_content(messages: object) -> None:
    assert len(row_faults(PROMPT | {"messages": messages}, table=PROMPTS)) == 1


def test_a_table_has_exactly_its_columns_in_order() -> None:
    frame = from_rows([RATING | {"extra": 1}], table=RATINGS, source="x")
    assert dict(frame.schema) == RATINGS.schema


def test_a_whole_number_written_as_a_decimal_keeps_its_value() -> None:
    rows = [EXAMPLE | {"helpfulness": score} for score in (1, 2.0, 3)]
    assert from_rows(rows, table=EXAMPLES, source="x")["helpfulness"].to_list() == [1, 2, 3]


def test_all_faulty_rows_are_named_at_once() -> None:
    promptless = {name: value for name, value in PAIR.items() if name != "prompt"}
    with pytest.raises(DataError, match=r"f: row 1: 'margin'.*f: row 3: no 'prompt'"):
        from_rows([PAIR | {"margin": -1}, PAIR, promptless], table=PAIRS, source="f")


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    rows = [PAIR | {"margin": -1}] * (MAX_FAULTS_SHOWN + 3)
    with pytest.raises(DataError, match="and 3 more"):
        from_rows(rows, table=PAIRS, source="f")


def test_a_frame_from_outside_is_checked_like_rows() -> None:
    with pytest.raises(DataError, match="f: row 2: 'helpfulness' must be from 0 to 4, got 7"):
        check_table(pl.DataFrame([EXAMPLE, EXAMPLE | {"helpfulness": 7}]), table=EXAMPLES, source="f")
