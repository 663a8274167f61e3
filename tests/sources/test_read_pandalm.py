"""PandaLM's verdicts become strengths that have a direction only."""

import json
from pathlib import Path

import pytest
from reading import Row, read

from steersman.sources.items import How
from steersman.sources.readers.pandalm import read_pandalm


def row(**change: object) -> Row:
    verdicts = {"annotator1": 0, "annotator2": 1, "annotator3": 2}
    texts = {"instruction": "Sum up.", "input": "A text.", "response1": "one", "response2": "two"}
    return {"idx": 0, "motivation_app": "x", "cmp_key": "a_b", **texts, **verdicts, **change}


def test_verdicts_one_and_two_point_to_the_first_and_second_response_and_zero_to_neither() -> None:
    ratings = read(read_pandalm, [row()]).rows["preference_ratings"]
    assert [(each["annotator"], each["strength"]) for each in ratings] == [
        ("annotator1", 0),
        ("annotator2", -1),
        ("annotator3", 1),
    ]


def test_instruction_and_input_are_one_prompt() -> None:
    task = read(read_pandalm, [row()], how=How(split=None)).rows["preference_tasks"][0]
    assert (task["prompt"], task["response_1"], task["response_2"]) == ("Sum up.\n\nA text.", "one", "two")


def test_an_instruction_without_input_stands_alone() -> None:
    assert read(read_pandalm, [row(input="")]).rows["preference_tasks"][0]["prompt"] == "Sum up."


def test_what_a_spreadsheet_made_of_texts_is_undone() -> None:
    task = read(read_pandalm, [row(input=float("nan"), response1=float("nan"), response2=True)]).rows[
        "preference_tasks"
    ][0]
    assert (task["prompt"], task["response_1"], task["response_2"]) == ("Sum up.", "", "True")


def test_an_unknown_verdict_is_a_fault() -> None:
    assert read(read_pandalm, [row(annotator2=3)]).faults == [("file:1", "'annotator2' must be from 0 to 2, got 3")]


@pytest.mark.data
def test_the_real_test_set_has_three_verdicts_a_task(data_folder: Path) -> None:
    rows = json.loads((data_folder / "pandalm" / "testset-v1.json").read_text("utf-8"))
    found = read(read_pandalm, rows)
    strengths = [each["strength"] for each in found.rows["preference_ratings"]]
    assert len(strengths) == 3 * 999
    verdicts = [each[f"annotator{number}"] for each in rows for number in (1, 2, 3)]
    assert [strengths.count(strength) for strength in (0, -1, 1)] == [verdicts.count(verdict) for verdict in (0, 1, 2)]
    assert found.faults == []
