"""SQuALITY's scores keep their scale from 0 to 100, nested as published or flat."""

import json
from pathlib import Path

import pytest
from reading import Row, read

from steersman.sources.readers.squality import read_squality


def review(worker: str, correctness: object, selection: object, overall: object) -> Row:
    ratings = {"correctness-rating": correctness, "selection-rating": selection, "overall-rating": overall}
    return {"worker_id": worker, "annotations": [], "system": "bart", **ratings, "overall-rank": 1}


def passage(*reviews: Row) -> Row:
    summary = {"response": "A story.", "reviews": list(reviews), "overall": {"overall-rating": 20.0}}
    return {"passage-id": "50827", "questions": {"0": {"bart": summary}}}


FLAT: Row = {
    "item_id": "50827-0-bart",
    "system": "bart",
    "response": "A story.",
    "correctness": [10, 60],
    "selection": [10, 0],
    "overall": [10, 5],
    "workers": ["3", "6"],
}


def test_nested_and_flat_rows_of_one_summary_give_the_same() -> None:
    nested = read(read_squality, [passage(review("3", 10, 10, 10), review("6", 60, 0, 5))])
    assert nested.rows == read(read_squality, [FLAT]).rows
    assert len(nested.rows["unit_scores"]) == 2 * 3


def test_a_score_keeps_its_scale() -> None:
    scores = read(read_squality, [FLAT]).rows["unit_scores"]
    assert scores[3] == {
        "unit": "50827-0-bart",
        "rater": "6",
        "attribute": "correctness",
        "score": 60,
        "low": 0,
        "high": 100,
        "count": None,
    }


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (passage(review("3", 10, 101, 10)), "'selection-rating' must be from 0 to 100, got 101"),
        ({**FLAT, "overall": [10]}, "'workers' and correctness, selection, overall must be lists of one length"),
        ({**FLAT, "overall": [10, None]}, "'overall' is empty"),
        ({"passage-id": "1", "questions": []}, "'questions' must be an object, got '[]'"),
    ],
)
def test_a_row_outside_the_shape_is_a_fault(given: Row, fault: str) -> None:
    assert read(read_squality, [given]).faults == [("file:1", fault)]


@pytest.mark.data
def test_the_real_evaluation_has_three_raters_a_summary(data_folder: Path) -> None:
    lines = (data_folder / "squality" / "human_eval.jsonl").read_text("utf-8").splitlines()
    found = read(read_squality, [json.loads(line) for line in lines])
    scores = found.rows["unit_scores"]
    assert (len(found.rows["units"]), len(scores)) == (300, 300 * 3 * 3)
    assert {each["rater"] for each in scores} == {"2", "3", "6", "8"}
