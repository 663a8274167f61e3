"""Open Assistant's trees become ranked pairs and label means; nothing is left out without a reason."""

import json
from collections import Counter
from pathlib import Path

import pytest
from reading import Row, read

from steersman.sources.readers.oasst import read_oasst


def message(name: str, parent: str | None, role: str, *, rank: int | None = None, **more: object) -> Row:
    usual = {"deleted": False, "review_result": True, "synthetic": False, "labels": None}
    return {
        "message_id": name,
        "parent_id": parent,
        "text": f"text of {name}",
        "role": role,
        "rank": rank,
        **usual,
        **more,
    }


ROOT = message("q", None, "prompter")
BEST = message("a0", "q", "assistant", rank=0)
WORST = message("a1", "q", "assistant", rank=1)


def test_the_lower_rank_is_chosen_and_the_margin_is_the_difference_of_ranks() -> None:
    found = read(read_oasst, [ROOT, message("a2", "q", "assistant", rank=2), WORST, BEST])
    assert [(each["chosen"], each["rejected"], each["margin"]) for each in found.rows["pairs"]] == [
        ("text of a1", "text of a2", 1),
        ("text of a0", "text of a2", 2),
        ("text of a0", "text of a1", 1),
    ]


def test_the_prompt_of_a_reply_is_the_whole_thread_above_it() -> None:
    below = [message("q2", "a0", "prompter"), message("b0", "q2", "assistant", rank=0)]
    units = read(read_oasst, [ROOT, BEST, *below]).rows["units"]
    assert units[1] == {
        "unit": "b0",
        "prompt": "text of q\n<extra_id_1>Assistant\ntext of a0\n<extra_id_1>User\ntext of q2",
        "response": "text of b0",
    }


def test_the_order_of_messages_in_the_file_does_not_matter() -> None:
    assert read(read_oasst, [BEST, WORST, ROOT]).rows == read(read_oasst, [ROOT, BEST, WORST]).rows


def test_a_nested_tree_gives_what_its_messages_give() -> None:
    nested = {**ROOT, "replies": [{**BEST, "replies": []}, {**WORST, "replies": []}]}
    tree = {"message_tree_id": "q", "tree_state": "ready_for_export", "prompt": nested}
    assert read(read_oasst, [tree]).rows == read(read_oasst, [ROOT, BEST, WORST]).rows


@pytest.mark.parametrize(
    "labels",
    [
        {"name": ["quality", "toxicity"], "value": [0.75, 0.0], "count": [3, 2]},
        {"quality": {"value": 0.75, "count": 3}, "toxicity": {"value": 0.0, "count": 2}},
    ],
    ids=["lists", "objects"],
)
def test_label_means_keep_their_scale_and_the_number_of_people(labels: Row) -> None:
    scores = read(read_oasst, [ROOT, {**BEST, "labels": labels}]).rows["unit_scores"]
    assert [(each["attribute"], each["score"], each["count"]) for each in scores] == [
        ("quality", 0.75, 3),
        ("toxicity", 0.0, 2),
    ]
    assert {(each["rater"], each["low"], each["high"]) for each in scores} == {(None, 0, 1)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"deleted": True}, "deleted"),
        ({"review_result": False}, "rejected_in_review"),
        ({"synthetic": True}, "synthetic"),
    ],
)
def test_a_reply_that_cannot_be_used_is_counted_and_its_siblings_are_paired(change: Row, reason: str) -> None:
    found = read(read_oasst, [ROOT, BEST, WORST, {**message("a2", "q", "assistant", rank=2), **change}])
    assert found.left_out == {reason: 1}
    assert len(found.rows["pairs"]) == 1


def test_what_hangs_below_a_deleted_message_is_left_out() -> None:
    found = read(read_oasst, [{**ROOT, "deleted": True}, BEST, WORST])
    assert (found.left_out, found.rows) == ({"below_deleted": 2}, {})


def test_replies_to_a_message_that_is_not_in_the_file_are_left_out() -> None:
    assert read(read_oasst, [BEST, WORST]).left_out == {"parent_missing": 2}


def test_messages_that_answer_each_other_in_a_circle_are_left_out() -> None:
    circle = [message("q", "a", "prompter"), message("a", "q", "assistant", rank=0)]
    assert read(read_oasst, circle).left_out == {"parents_in_a_circle": 1}


def test_a_reply_to_a_reply_is_left_out() -> None:
    found = read(read_oasst, [ROOT, BEST, message("b", "a0", "assistant")])
    assert found.left_out == {"ends_with_assistant": 1}


def test_an_unranked_reply_beside_others_is_counted_and_an_only_one_is_not() -> None:
    beside = read(read_oasst, [ROOT, BEST, message("a1", "q", "assistant")])
    alone = read(read_oasst, [ROOT, message("a1", "q", "assistant")])
    assert (beside.left_out, alone.left_out) == ({"unranked_reply": 1}, {})
    assert len(beside.rows["units"]) == 2


def test_equal_ranks_are_ties() -> None:
    found = read(read_oasst, [ROOT, BEST, {**WORST, "rank": 0}])
    assert (found.ties, found.rows.get("pairs")) == (1, None)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"role": "moderator"}, "'role' must be one of prompter, assistant, got 'moderator'"),
        ({"message_id": "q"}, "the message 'q' is there twice"),
        (
            {"labels": {"name": ["quality"], "value": [], "count": []}},
            "'labels' must hold lists of one length: name, value, count",
        ),
        ({"labels": {"quality": {"value": 2, "count": 1}}}, "'value' must be from 0 to 1, got 2"),
        ({"text": None}, "'text' is empty"),
    ],
)
def test_a_message_outside_the_shape_is_a_fault(change: Row, fault: str) -> None:
    assert read(read_oasst, [ROOT, {**BEST, **change}]).faults == [("file:2", fault)]


@pytest.mark.data
def test_every_real_reply_is_a_unit_or_counted(data_folder: Path) -> None:
    lines = (data_folder / "oasst1" / "validation.en.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = read(read_oasst, rows)
    replies = sum(row["role"] == "assistant" for row in rows)
    of_pairs = {"same_response", "unranked_reply"}
    left_out = sum(number for reason, number in found.left_out.items() if reason not in of_pairs)
    assert len(found.rows["units"]) + left_out == replies == 1243


@pytest.mark.data
def test_real_pairs_are_all_of_every_ranked_group(data_folder: Path) -> None:
    lines = (data_folder / "oasst1" / "validation.en.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = read(read_oasst, rows)
    ranked = Counter(row["parent_id"] for row in rows if row["rank"] is not None and not row["deleted"])
    pairs = sum(size * (size - 1) // 2 for size in ranked.values())
    assert len(found.rows["pairs"]) + found.left_out["same_response"] == pairs
