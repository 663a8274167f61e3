"""The table of counts says what a collection consists of."""

import polars as pl

from steersman.prompts.statistics import prompt_statistics
from steersman.tables import PROMPTS, table_from_rows

USER = {"role": "user", "content": "why?"}
ASSISTANT = {"role": "assistant", "content": "because"}


def _prompts(rows: list[tuple[str | None, int | None, int]]) -> pl.DataFrame:
    """Return a prompt per (topic, complexity, number of user turns)."""
    values: list[dict[str, object]] = [
        {
            "prompt_id": str(index),
            "messages": [USER, *[ASSISTANT, USER] * (turns - 1)],
            "source": "test",
            "licence": None,
            "topic": topic,
            "complexity": complexity,
        }
        for index, (topic, complexity, turns) in enumerate(rows)
    ]
    return table_from_rows(values, table=PROMPTS, source="test")


def test_topics_levels_and_turns_are_counted() -> None:
    table = prompt_statistics(_prompts([("music", 1, 1), ("music", 5, 2), ("art", 5, 3), ("art", 5, 1)]))
    assert table.rows() == [
        ("topic", "art", 2, 0.5),
        ("topic", "music", 2, 0.5),
        ("complexity", "1", 1, 0.25),
        ("complexity", "5", 3, 0.75),
        ("turns", "multi", 2, 0.5),
        ("turns", "single", 2, 0.5),
    ]


def test_missing_labels_count_as_unknown() -> None:
    table = prompt_statistics(_prompts([(None, None, 1)]))
    assert table.filter(pl.col("by") != "turns").rows() == [
        ("topic", "unknown", 1, 1.0),
        ("complexity", "unknown", 1, 1.0),
    ]


def test_a_collection_without_multi_turn_prompts_says_so() -> None:
    assert ("turns", "multi", 0, 0.0) in prompt_statistics(_prompts([("music", 1, 1)])).rows()


def test_an_assistant_turn_alone_does_not_make_a_prompt_multi_turn() -> None:
    opened = _prompts([("music", 1, 1)]).with_columns(messages=pl.Series([[ASSISTANT, USER]]))
    assert ("turns", "single", 1, 1.0) in prompt_statistics(opened).rows()


def test_no_prompts_make_no_shares_but_no_fault() -> None:
    assert prompt_statistics(_prompts([])).rows() == [("turns", "multi", 0, 0.0), ("turns", "single", 0, 0.0)]
