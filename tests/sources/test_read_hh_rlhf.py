"""HH-RLHF's dialogues become messages; what is no pair of responses to one prompt is named."""

import gzip
import json
from pathlib import Path

import pytest
from reading import Row, read

from steersman.sources.readers.hh_rlhf import read_hh_rlhf


def row(chosen: str, rejected: str) -> Row:
    return {"chosen": chosen, "rejected": rejected}


ASKED = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: "


def test_the_shared_turns_are_the_prompt_and_the_last_turns_the_responses() -> None:
    found = read(read_hh_rlhf, [row(ASKED + "good", ASKED + "bad")])
    assert found.rows == {
        "pairs": [
            {
                "prompt": "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc",
                "chosen": "good",
                "rejected": "bad",
                "margin": 1.0,
            }
        ]
    }


def test_only_the_one_space_after_the_colon_is_taken_away() -> None:
    pair = read(read_hh_rlhf, [row("\n\nHuman:  a \n\nAssistant:\nb ", "\n\nHuman:  a \n\nAssistant: c")])
    assert pair.rows["pairs"][0] == {"prompt": " a ", "chosen": "\nb ", "rejected": "c", "margin": 1.0}


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: b", "same_response"),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: z\n\nAssistant: c", "prompts_differ"),
        ("\n\nHuman: a\n\nHuman: b\n\nAssistant: c", "\n\nHuman: a\n\nAssistant: c", "same_role_twice"),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: b\n\nHuman: c", "ends_with_user"),
        ("\n\nAssistant: b", "\n\nAssistant: c", "starts_with_assistant"),
        ("Human: a\n\nAssistant: b", "Human: a\n\nAssistant: c", "no_opening_turn"),
        ("", "", "no_opening_turn"),
    ],
)
def test_what_is_no_pair_is_left_out_with_its_reason(chosen: str, rejected: str, reason: str) -> None:
    found = read(read_hh_rlhf, [row(chosen, rejected)])
    assert (found.left_out, found.rows) == ({reason: 1}, {})


def test_a_row_without_a_rejected_dialogue_is_a_fault() -> None:
    assert read(read_hh_rlhf, [{"chosen": ASKED}]).faults == [("file:1", "no 'rejected'")]


@pytest.mark.data
def test_every_real_row_is_a_pair_or_counted(data_folder: Path) -> None:
    path = data_folder / "hh_rlhf" / "harmless-base.test.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    found = read(read_hh_rlhf, rows)
    assert len(found.rows["pairs"]) + found.left_out.total() == len(rows) == 2312
    # put together again in the published form, every pair is the row it came from
    first = found.rows["pairs"][0]
    turns = str(first["prompt"]).replace("\n<extra_id_1>Assistant\n", "\n\nAssistant: ")
    dialogue = "\n\nHuman: " + turns.replace("\n<extra_id_1>User\n", "\n\nHuman: ") + "\n\nAssistant: "
    assert (dialogue + str(first["chosen"]), dialogue + str(first["rejected"])) == (
        rows[0]["chosen"],
        rows[0]["rejected"],
    )
