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
    faults = ("prompt 'p': has 1 responses", "prompt 'q': has 3 responses", "responses to 'r': there is no such prompt")
    assert all(fault in str(caught.value) for fault in faults)


def test_prompts_that_are_no_conversation_are_named_at_once(tmp_path: Path) -> None:
    system = prompt("p", "one?")
    system["messages"] = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "one?"}]
    twice = prompt("q", "two?")
    twice["messages"] = [{"role": "user", "content": "two?"}] * 2
    answers = [response(name, letter) for name in "pq" for letter in "ab"]
    paths = tables(tmp_path, prompts=[system, twice], responses=answers)
    with pytest.raises(DataError, match=r"prompts.jsonl and .*prompt 'p': a prompt alternates.*prompt 'q': a prompt"):
        ratings.read_tasks(*paths)


@pytest.mark.parametrize("sampling", ["temperature=1", "[1]", "9" * 5000, "[" * 100_000, '{"is_finished": "no"}'])
def test_sampling_that_is_no_object_is_named_with_its_row(tmp_path: Path, sampling: str) -> None:
    answers = [response("p", "a"), response("p", "b", sampling=sampling)]
    paths = tables(tmp_path, prompts=[prompt("p", "one?")], responses=answers)
    with pytest.raises(DataError, match=r"responses.jsonl: row 2: 'sampling' of response 'p-b' must be a JSON object"):
        ratings.read_tasks(*paths)


def test_two_responses_of_one_id_are_named(tmp_path: Path) -> None:
    paths = tables(tmp_path, prompts=[prompt("p", "one?")], responses=[response("p", "a")] * 2)
    with pytest.raises(DataError, match="prompt 'p': its responses share an id"):
        ratings.read_tasks(*paths)


def test_a_prompt_that_was_not_kept_is_not_rated_though_it_was_answered(tmp_path: Path) -> None:
    asked = [{**prompt("p", "one?"), "kept": False}, prompt("q", "two?")]
    paths = tables(tmp_path, prompts=asked, responses=[response(name, letter) for name in "pq" for letter in "ab"])
    assert ratings.read_tasks(*paths)["task_id"].to_list() == ["q", "q"]


def test_without_a_lineage_the_rows_tell_where_ratings_come_from(tmp_path: Path) -> None:
    answers = [{**response("p", letter), "generator_licence": "CC-BY-NC-4.0"} for letter in "ab"]
    ratings.run(
        *tables(tmp_path, prompts=[prompt("p", "one?")], responses=answers), crowd=CROWD, seed=1, out=tmp_path / "out"
    )
    told = [(each.work, each.licence) for each in read_lineage(tmp_path / "out").ancestors]
    assert told == [("mine", None), ("mine", "CC-BY-NC-4.0"), ("steersman-simulated-crowd", None)]


def test_simulated_ratings_say_so_in_every_row_and_in_the_lineage(tmp_path: Path) -> None:
    answers = [response("p", "a"), response("p", "b")]
    paths = tables(tmp_path, prompts=[prompt("p", "one?")], responses=answers)
    outcome = ratings.run(*paths, crowd=CROWD, seed=1, out=tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "ratings.jsonl")
    assert outcome.result["ratings"] == len(rows)
    assert all(row["simulated"] is True for row in rows)
    lineage = read_lineage(tmp_path / "out")
    assert (lineage.simulated, lineage.ancestors[-1].work) == (True, "steersman-simulated-crowd")
