"""Every prompt gets two different generators, in equal shares and in random order."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.responses.planning import Assignment, assign_generators, response_id, responses_table
from steersman.tables import RESPONSES

NUM_PROMPTS = st.integers(0, 60)
NUM_GENERATORS = st.integers(2, 7)
SEEDS = st.integers(0, 2**32 - 1)


def assigned(num_prompts: int, num_generators: int, *, seed: int = 0) -> list[Assignment]:
    return assign_generators(num_prompts, num_generators=num_generators, rng=np.random.default_rng(seed))


@given(num_prompts=NUM_PROMPTS, num_generators=NUM_GENERATORS, seed=SEEDS)
def test_each_prompt_gets_two_different_generators(num_prompts: int, num_generators: int, seed: int) -> None:
    found = assigned(num_prompts, num_generators, seed=seed)
    assert [(each.prompt, each.position) for each in found] == [(p, i) for p in range(num_prompts) for i in (0, 1)]
    assert all(a.generator != b.generator for a, b in zip(found[0::2], found[1::2], strict=True))
    assert all(0 <= each.generator < num_generators for each in found)


@given(num_prompts=NUM_PROMPTS, num_generators=NUM_GENERATORS, seed=SEEDS)
def test_shares_differ_by_at_most_one_prompt(num_prompts: int, num_generators: int, seed: int) -> None:
    counts = Counter(dict.fromkeys(range(num_generators), 0))
    counts.update(each.generator for each in assigned(num_prompts, num_generators, seed=seed))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_generator_comes_first_as_often_as_second() -> None:
    firsts = [each.generator for each in assigned(1000, 3) if each.position == 0]
    for generator, share in Counter(firsts).items():
        # a third of the prompts, within five standard errors of a share over 1000
        assert share / 1000 == pytest.approx(1 / 3, abs=5 * (2 / 9 / 1000) ** 0.5), generator


def test_every_pair_of_generators_meets_equally_often() -> None:
    found = assigned(3000, 3)
    met = Counter(frozenset((a.generator, b.generator)) for a, b in zip(found[0::2], found[1::2], strict=True))
    assert len(met) == 3
    # the standard error of a share of one third over 3000 prompts is below 0.009
    assert all(count / 3000 == pytest.approx(1 / 3, abs=5 * 0.009) for count in met.values())


def test_the_same_seed_gives_the_same_assignments() -> None:
    assert assigned(20, 4, seed=1) == assigned(20, 4, seed=1) != assigned(20, 4, seed=2)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_generators_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least two generators are needed, got {count}"):
        assigned(3, count)


def test_the_responses_of_a_prompt_are_called_a_and_b() -> None:
    assert [response_id("p7", position) for position in (0, 1)] == ["p7-a", "p7-b"]


def test_rows_become_the_responses_table_in_order() -> None:
    row: dict[str, object] = {
        "prompt_id": "p",
        "response_id": "p-a",
        "response": "Hi",
        "generator": "g",
        "generator_licence": None,
        "sampling": "{}",
        "seed": 1,
    }
    table = responses_table([row, {**row, "response_id": "p-b"}])
    assert table.schema == pl.Schema(RESPONSES.schema)
    assert table["response_id"].to_list() == ["p-a", "p-b"]


def test_no_rows_are_an_empty_responses_table() -> None:
    assert responses_table([]).schema == pl.Schema(RESPONSES.schema)
