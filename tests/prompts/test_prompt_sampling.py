"""Sampling is even, reproducible and independent of the order of the rows."""

import numpy as np
import polars as pl
import pytest

from steersman.errors import DataError
from steersman.prompts.sampling import hold_out, sample_prompts, sample_tasks
from steersman.prompts.statistics import is_multi_turn
from steersman.tables import PROMPTS, table_from_rows

ASSISTANT = {"role": "assistant", "content": "because"}


def _turns(question: str, *, is_multi_turn: bool) -> list[dict[str, str]]:
    asked = {"role": "user", "content": question}
    return [asked, ASSISTANT, asked] if is_multi_turn else [asked]


def _prompts(cells: list[tuple[str | None, int | None, int]], *, multi_every: int = 4) -> pl.DataFrame:
    """Return prompts for (topic, complexity, how many); every fourth has two user turns."""
    labels = [(topic, level) for topic, level, number in cells for _ in range(number)]
    rows: list[dict[str, object]] = [
        {
            "prompt_id": f"p{index:04d}",
            "messages": _turns(f"why {index}?", is_multi_turn=index % multi_every == 0),
            "source": "test",
            "licence": None,
            "topic": topic,
            "complexity": level,
        }
        for index, (topic, level) in enumerate(labels)
    ]
    return table_from_rows(rows, table=PROMPTS, source="test")


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def _counts(frame: pl.DataFrame, column: str) -> dict[object, int]:
    return dict(frame.group_by(column).len().rows())


def _stratum_sizes(frame: pl.DataFrame, *, by: list[str]) -> dict[tuple[object, ...], int]:
    counts = frame.with_columns(multi=is_multi_turn()).group_by(by).len().rows()
    return {tuple(labels): number for *labels, number in counts}


def _shuffled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sample(fraction=1, shuffle=True, seed=3)


def test_topics_get_equal_numbers_whatever_their_size() -> None:
    prompts = _prompts([("a", 1, 500), ("b", 1, 30), ("c", 1, 10)])
    assert _counts(sample_prompts(prompts, count=30, rng=_rng()), "topic") == {"a": 10, "b": 10, "c": 10}


def test_the_highest_level_gets_double_weight() -> None:
    prompts = _prompts([(topic, level, 40) for topic in "abc" for level in range(1, 6)])
    # 60 prompts in the ratio 1:1:1:1:2
    assert _counts(sample_prompts(prompts, count=60, rng=_rng()), "complexity") == {1: 10, 2: 10, 3: 10, 4: 10, 5: 20}


def test_levels_and_topics_are_not_tied_to_each_other() -> None:
    prompts = _prompts([(topic, level, 40) for topic in "abc" for level in range(1, 6)])
    cells = sample_prompts(prompts, count=120, rng=_rng()).group_by("topic", "complexity").len()
    assert cells.height == 3 * 5


def test_an_exhausted_topic_leaves_its_place_to_the_others() -> None:
    prompts = _prompts([("a", 1, 2), ("b", 1, 20)])
    assert _counts(sample_prompts(prompts, count=12, rng=_rng()), "topic") == {"a": 2, "b": 10}


def test_prompts_without_topic_or_level_are_groups_of_their_own() -> None:
    prompts = _prompts([("a", 1, 20), (None, None, 20)])
    assert _counts(sample_prompts(prompts, count=10, rng=_rng()), "topic") == {"a": 5, None: 5}


def test_no_prompt_is_drawn_twice_and_all_can_be_drawn() -> None:
    prompts = _prompts([("a", 1, 5), ("b", 5, 7)])
    assert sample_prompts(prompts, count=12, rng=_rng()).equals(prompts)


def test_the_order_of_the_rows_does_not_matter() -> None:
    prompts = _prompts([(topic, level, 6) for topic in "abcd" for level in range(1, 6)])
    first = sample_prompts(prompts, count=30, rng=_rng())
    assert sample_prompts(_shuffled(prompts), count=30, rng=_rng()).equals(first)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    prompts = _prompts([(topic, level, 6) for topic in "abcd" for level in range(1, 6)])
    small, large = (set(sample_prompts(prompts, count=count, rng=_rng())["prompt_id"]) for count in (17, 60))
    assert small < large


def test_another_generator_gives_another_sample() -> None:
    prompts = _prompts([("a", 1, 200)])
    first = sample_prompts(prompts, count=20, rng=np.random.default_rng(1))
    assert not sample_prompts(prompts, count=20, rng=np.random.default_rng(2)).equals(first)


def test_rejected_prompts_are_never_drawn() -> None:
    prompts = _prompts([("a", 1, 10)]).with_columns(kept=pl.int_range(pl.len()) < 4)
    assert sample_prompts(prompts, count=4, rng=_rng())["kept"].to_list() == [True] * 4
    with pytest.raises(DataError, match=r"5 prompts: 4 are available \(6 more were rejected\)"):
        sample_prompts(prompts, count=5, rng=_rng())


@pytest.mark.parametrize("count", [0, -1, 11])
def test_a_count_out_of_reach_is_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"cannot sample {count} prompts: 10 are available"):
        sample_prompts(_prompts([("a", 1, 10)]), count=count, rng=_rng())


def test_repeated_ids_are_refused() -> None:
    prompts = _prompts([("a", 1, 3)]).with_columns(prompt_id=pl.Series(["x", "y", "x"]))
    with pytest.raises(DataError, match="1 prompt ids repeat, first 'x'"):
        sample_prompts(prompts, count=1, rng=_rng())


@pytest.mark.parametrize("seed", range(20))
def test_each_stratum_is_held_out_in_proportion_rounded_up_or_down(seed: int) -> None:
    prompts = _prompts([("a", 1, 40), ("b", 2, 37), ("c", 3, 11)])
    _, held_out = hold_out(prompts, count=23, rng=np.random.default_rng(seed))
    for by in (["multi"], ["multi", "topic"]):
        sizes, drawn = _stratum_sizes(prompts, by=by), _stratum_sizes(held_out, by=by)
        assert all(abs(drawn.get(each, 0) - size * 23 / prompts.height) < 1 for each, size in sizes.items())


def test_kept_and_held_out_share_nothing_and_lose_nothing() -> None:
    prompts = _prompts([("a", 1, 20), ("b", 2, 13)])
    kept, held_out = hold_out(prompts, count=10, rng=_rng())
    assert held_out.height == 10
    assert pl.concat([kept, held_out]).sort("prompt_id").equals(prompts)


def test_holding_out_does_not_depend_on_the_order_of_the_rows() -> None:
    prompts = _prompts([("a", 1, 20), (None, 2, 13)])
    _, first = hold_out(prompts, count=9, rng=_rng())
    _, second = hold_out(_shuffled(prompts), count=9, rng=_rng())
    assert first.equals(second)


def test_every_prompt_is_equally_likely_to_be_held_out() -> None:
    prompts = _prompts([("a", 1, 5), ("b", 2, 3)])
    rng, rounds = _rng(), 500
    drawn = pl.concat([hold_out(prompts, count=2, rng=rng)[1] for _ in range(rounds)])
    # 2 of 8 each time; five standard deviations of a binomial share
    tolerance = 5 * (0.25 * 0.75 / rounds) ** 0.5
    assert all(abs(number / rounds - 0.25) < tolerance for number in _counts(drawn, "prompt_id").values())


@pytest.mark.parametrize("count", [0, 5, 6])
def test_neither_side_of_a_hold_out_may_be_empty(count: int) -> None:
    with pytest.raises(DataError, match=f"cannot hold out {count} of 5 prompts"):
        hold_out(_prompts([("a", 1, 5)]), count=count, rng=_rng())


def _examples(prompts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"prompt": prompts, "response": [f"r{index}" for index in range(len(prompts))]})


def test_tasks_are_sampled_whole_and_in_their_order() -> None:
    examples = _examples([f"p{index // 2}" for index in range(100)])
    rows = [int(name[1:]) for name in sample_tasks(examples, count=20, rng=_rng())["response"]]
    assert rows == sorted(set(rows))
    assert rows[1::2] == [row + 1 for row in rows[0::2]]
    assert len(rows) == 40
    assert all(row % 2 == 0 for row in rows[0::2])


@pytest.mark.parametrize("prompts", [["a", "b"], ["a", "a", "b"]])
def test_tasks_out_of_pairs_are_refused(prompts: list[str]) -> None:
    with pytest.raises(DataError, match="rows 2k and 2k"):
        sample_tasks(_examples(prompts), count=1, rng=_rng())


@pytest.mark.parametrize("count", [0, 3])
def test_more_tasks_than_there_are_cannot_be_sampled(count: int) -> None:
    with pytest.raises(DataError, match=f"cannot sample {count} tasks: 2 are available"):
        sample_tasks(_examples(["a", "a", "b", "b"]), count=count, rng=_rng())


def test_a_held_out_text_is_never_among_those_kept() -> None:
    prompts = _prompts([("a", 1, 12)])
    # every text twice, under two ids
    twice = pl.concat([prompts, prompts.with_columns(prompt_id=pl.lit("again-") + pl.col("prompt_id"))])
    kept, held_out = hold_out(twice, count=4, rng=_rng())
    texts = [{str(each) for each in side["messages"].to_list()} for side in (kept, held_out)]
    assert not texts[0] & texts[1]
    assert (kept.height, held_out.height) == (8, 4)
