"""The ratings stage: tasks are put together from prompts and responses, and a modelled crowd rates them."""

import json
from pathlib import Path

import pytest
from tiny_loop import rows_of

from steersman.config.sections import CrowdSettings
from steersman.errors import DataError
from steersman.pipeline import ratings
from steersman.store.files import write_jsonl
from steersman.store.lineage import read_lineage

CROWD = CrowdSettings.model_validate({"annotators": 8})
Row = dict[str, object]


def prompt(name: str, *turns: str) -> Row:
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": turn} for number, turn in enumerate(turns)]
    return {"prompt_id": name, "messages": messages, "source": "mine", "licence": None}


def response(prompt_id: str, letter: str, *, sampling: str | None = None) -> Row:
    identity = {"prompt_id": prompt_id, "response_id": f"{prompt_id}-{letter}", "generator": "mine"}
    return {**identity, "response": f"answer {letter}", "sampling": sampling}


def tables(folder: Path, *, prompts: list[Row], responses: list[Row]) -> tuple[Path, Path]:
    write_jsonl(folder / "prompts.jsonl", prompts)
    write_jsonl(folder / "responses.jsonl", responses)
    return folder / "prompts.jsonl", folder / "responses.jsonl"


def test_tasks_stand_in_the_order_of_prompts_not_of_responses(tmp_path: Path) -> None:
    answers = [response(name, letter) for letter in "ab" for name in ("q", "p")]
    paths = tables(tmp_path, prompts=[prompt("p", "one?"), prompt("q", "two?")], responses=answers)
    found = ratings.read_tasks(*paths)
    assert found["response_id"].to_list() == ["p-a", "p-b", "q-a", "q-b"]
    assert found["position"].to_list() == [0, 1, 0, 1]


def test_a_conversation_becomes_helpsteers_text_form(tmp_path: Path) -> None:
    asked = [prompt("p", "one?", "reply", "and two?")]
    paths = tables(tmp_path, prompts=asked, responses=[response("p", "a"), response("p", "b")])
    text = "one?\n<extra_id_1>Assistant\nreply\n<extra_id_1>User\nand two?"
    assert ratings.read_tasks(*paths)["prompt"].to_list() == [text, text]


def test_a_response_that_was_cut_is_known_by_its_sampling(tmp_path: Path) -> None:
    cut = response("p", "a", sampling=json.dumps({"is_finished": False}))
    paths = tables(tmp_path, prompts=[prompt("p", "one?")], responses=[cut, response("p", "b")])
    assert ratings.read_tasks(*paths)["is_finished"].to_list() == [False, True]


def test_all_prompts_without_two_responses_are_named_at_once(tmp_path: Path) -> None:
    answers = [response("p", "a"), *(response("q", letter) for letter in "abc"), response("r", "a")]
    paths = tables(tmp_path, prompts=[prompt("p", "one?"), prompt("q", "two?")], responses=answers)
    with pytest.raises(DataError) as caught:
        ratings.read_tasks(*paths)
    for fault in ("prompt 'p' has 1 responses", "prompt 'q' has 3 responses", "answer prompt 'r', which is not there"):
        assert fault in str(caught.value)


def test_simulated_ratings_say_so_in_every_row_and_in_the_lineage(tmp_path: Path) -> None:
    answers = [response("p", "a"), response("p", "b")]
    paths = tables(tmp_path, prompts=[prompt("p", "one?")], responses=answers)
    outcome = ratings.run(*paths, crowd=CROWD, seed=1, out=tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "ratings.jsonl")
    assert outcome.result["ratings"] == len(rows)
    assert all(row["simulated"] is True for row in rows)
    lineage = read_lineage(tmp_path / "out")
    assert (lineage.simulated, lineage.ancestors[-1].work) == (True, "steersman-simulated-crowd")
