"""What agreement and cleaning tell people on a terminal: no decision is left out because the reader wants no JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tiny_loop import steersman

from steersman.records import ATTRIBUTES

Capture = pytest.CaptureFixture[str]
Row = Mapping[str, object]
LISTS = ((1, 1, 1), (4, 4, 3))


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ratings(*tasks: str, **more: object) -> list[Row]:
    """Return the ratings of three annotators who give each response of each task a 1, or a 3 where it is the second."""
    return [
        {"task_id": task, "prompt": task, "response_id": f"{task}{place}", "response": f"{task}{place}"}
        | {"position": place, "annotator": who, **dict.fromkeys(ATTRIBUTES, 1 + 2 * place), **more}
        for task in tasks
        for place in (0, 1)
        for who in ("ann", "ben", "cy")
    ]


def test_agreement_says_how_the_first_three_were_found(tmp_path: Path, capfd: Capture) -> None:
    without_times = write(tmp_path / "a.jsonl", ratings("t1", "t2"))
    with_times = write(tmp_path / "b.jsonl", ratings("t1", "t2", created_at="2026-01-31T12:00:00Z"))
    for path, words in (
        (without_times, "by their place in the file, for want of times"),
        (with_times, "by created_at"),
    ):
        assert f"first three ratings of a response {words}\n" in steersman(capfd, "agreement", path).out


def test_agreement_names_what_it_does_not_read_beside_its_json(tmp_path: Path, capfd: Capture) -> None:
    said = steersman(capfd, "agreement", write(tmp_path / "ratings.jsonl", ratings("t1", charm=3)), "--json")
    assert said.err == "note: columns of the ratings that are ignored: charm\n"
    assert list(said.json) == list(ATTRIBUTES)


def test_a_column_named_twice_makes_the_groups_of_one(tmp_path: Path, capfd: Capture) -> None:
    path = write(tmp_path / "ratings.jsonl", ratings("t1", delivery="may"))
    once = steersman(capfd, "agreement", path, "--by", "delivery")
    assert steersman(capfd, "agreement", path, "--by", "delivery, delivery") == once
    assert once.out.startswith("delivery=may\n")


def test_the_mean_of_two_annotators_says_of_how_many_pairs_it_is(tmp_path: Path, capfd: Capture) -> None:
    """Three people share four responses, in three pairs; a fourth shares two with each of them."""
    late = [{**row, "annotator": "dora"} for row in ratings("t1") if row["annotator"] == "ann"]
    path = write(tmp_path / "ratings.jsonl", [*ratings("t1", "t2"), *late])
    said = steersman(capfd, "agreement", path, "--annotators", "--min-overlap", 3)
    assert "two annotators, helpfulness: mean kappa 1.000, 3 pairs; 3 share too few responses\n" in said.out


def test_pairs_whose_kappa_is_undefined_are_counted(tmp_path: Path, capfd: Capture) -> None:
    path = write(tmp_path / "ratings.jsonl", [{**row, "coherence": 2} for row in ratings("t1", "t2")])
    said = steersman(capfd, "agreement", path, "--annotators", "--min-overlap", 3)
    assert "coherence: mean kappa -, 0 pairs; 0 share too few responses; 3 undefined\n" in said.out


def test_cleaning_tells_what_became_of_preferences(tmp_path: Path, capfd: Capture) -> None:
    """Of three strengths of t1 all count; t2 gets -3 and 3; t9 is no task of the ratings."""
    given = {"t1": (2, 2, 2), "t2": (-3, 3), "t9": (1,)}
    strengths = [
        {"task_id": task, "annotator": f"a{place}", "strength": strength}
        for task, values in given.items()
        for place, strength in enumerate(values)
    ]
    preferences = write(tmp_path / "in" / "preferences.jsonl", strengths)
    path = write(tmp_path / "in" / "ratings.jsonl", ratings("t1", "t2"))
    said = steersman(capfd, "clean", path, "--preferences", preferences, "--out", tmp_path / "out")
    lines = said.out.splitlines()
    assert lines[0] == f"2 of 2 tasks kept in {tmp_path / 'out'}"
    assert lines[1:3] == [
        "1 of 3 tasks with preferences kept",
        "their tasks dropped: 1 spread, 1 not in dataset",
    ]
    assert lines[3].startswith("strengths left out: 2 spread")


def test_no_line_is_wider_than_a_terminal_of_a_hundred_columns(tmp_path: Path, capfd: Capture) -> None:
    changes: Mapping[str, Row] = {
        "good": {},
        "gold": {"gold": True},
        "surplus": {"surplus": True},
        "unrated": dict.fromkeys(ATTRIBUTES),
        "attribute": {"coherence": None},
    }
    rows = [{**row, **change} for name, change in changes.items() for row in ratings(name)]
    apart = [{**row, "helpfulness": 4 * (row["annotator"] == "cy")} for row in ratings("spread")]
    path = write(tmp_path / "in" / "ratings.jsonl", [*rows, *apart, *ratings("alone")[:3]])
    cleaned = steersman(capfd, "clean", path, "--out", tmp_path / "out").out.split("\n", 1)[1]
    told = [cleaned, *(steersman(capfd, "agreement", path, *more).out for more in ((), ("--annotators",)))]
    assert [line for text in told for line in text.splitlines() if len(line) > 100] == []
    assert "6 gold, 3 not two responses, 6 spread, 6 surplus, 6 unrated, 6 unrated attribute" in cleaned


def labelled(*scores: int) -> list[Row]:
    return [
        {"prompt": f"p{place // 2}", "response": f"r{place}", **dict.fromkeys(ATTRIBUTES, score)}
        for place, score in enumerate(scores)
    ]


def test_a_replay_says_how_many_labels_it_met(tmp_path: Path, capfd: Capture) -> None:
    """The means of (1, 1, 1) and (4, 4, 3) are 1 and 3.67, so that a released 3 is missed."""
    lists = [{**row, **dict.fromkeys(ATTRIBUTES, scores)} for row, scores in zip(labelled(1, 3), LISTS, strict=True)]
    write(tmp_path / "release" / "train.jsonl", labelled(1, 3))
    write(tmp_path / "release" / "validation.jsonl", labelled(1, 3, 0, 0)[2:])
    write(tmp_path / "release" / "disagreements" / "disagreements.jsonl", lists)
    said = steersman(capfd, "clean", "--replay", tmp_path / "release", "--out", tmp_path / "out")
    assert said.out.splitlines()[0] == "helpfulness: 1 of 2 released labels met"


def test_a_replay_without_lists_says_that_no_rule_was_replayed(tmp_path: Path, capfd: Capture) -> None:
    write(tmp_path / "release" / "train.jsonl", labelled(1, 3))
    write(tmp_path / "release" / "validation.jsonl", labelled(1, 3, 0, 0)[2:])
    said = steersman(capfd, "clean", "--replay", tmp_path / "release", "--out", tmp_path / "out")
    assert said.out == f"The comparison is in {tmp_path / 'out' / 'replay.md'}\n"
    assert "note: without disagreements/disagreements.jsonl no rule of cleaning can be replayed" in said.err
