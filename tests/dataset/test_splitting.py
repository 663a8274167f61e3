"""Tasks are divided by prompt, near duplicates together, by the set of prompts and the generator alone."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.dataset.splitting import PromptSplit, split_prompts


def split(prompts: list[str], *, share: float, threshold: float | None = None, seed: int = 0) -> PromptSplit:
    rng = np.random.default_rng(seed)
    return split_prompts(pl.Series(prompts, dtype=pl.String), validation_share=share, threshold=threshold, rng=rng)


def sides(prompts: list[str], found: PromptSplit) -> dict[bool, set[str]]:
    named = list(zip(found.is_validation.tolist(), prompts, strict=True))
    return {side: {prompt for is_here, prompt in named if is_here is side} for side in (False, True)}


def test_no_prompt_is_on_both_sides() -> None:
    prompts = [f"prompt {task // 2}" for task in range(40)]
    found = split(prompts, share=0.25)
    assert not set.intersection(*sides(prompts, found).values())
    assert found.rows == {"train": 60, "validation": 20}


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.floats(0, 0.99), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_no_prompt_left_for_training_would_still_fit(prompts: list[str], share: float, seed: int) -> None:
    found = split(prompts, share=share, seed=seed)
    apart = sides(prompts, found)
    assert not apart[True] & apart[False]
    assert apart[False]
    missing = round(share * len(prompts)) - int(found.is_validation.sum())
    if missing >= 0 and len(apart[False]) > 1:
        assert all(prompts.count(prompt) > missing for prompt in apart[False])
    # too many only where not even the smallest prompt fits
    if missing < 0:
        assert [prompts.count(prompt) for prompt in apart[True]] == [min(map(prompts.count, prompts))]


def test_the_choice_depends_on_no_order_of_tasks() -> None:
    prompts = [f"prompt {task}" for task in range(20)]
    backwards = prompts[::-1]
    first = split(prompts, share=0.2, seed=3)
    assert sides(prompts, first) == sides(backwards, split(backwards, share=0.2, seed=3))
    assert sides(prompts, first) != sides(prompts, split(prompts, share=0.2, seed=4))


def test_near_duplicates_are_on_one_side_whatever_the_seed() -> None:
    """The twins differ in the last of 40 words, so that 37 of 39 shingles are shared."""
    plain = [" ".join(f"{letter}{place}" for place in range(40)) for letter in "abcdefghij"]
    prompts = [*plain, *(f"{each.rsplit(' ', 1)[0]} end" for each in plain)]
    for seed in range(20):
        found = split(prompts, share=0.5, threshold=0.8, seed=seed)
        assert found.is_validation[:10].tolist() == found.is_validation[10:].tolist()
    assert (found.num_prompts, found.largest_group) == (20, 2)
    assert split(prompts, share=0.5).largest_group == 1


def test_a_chain_that_holds_most_prompts_is_kept_for_training_and_told() -> None:
    """36 prompts that differ in one word, and 4 others: only the others fit into a quarter."""
    body = " ".join(f"word{place}" for place in range(40))
    prompts = [*(f"{body} {number}" for number in range(36)), *(f"other {number}" for number in range(4))]
    for seed in range(10):
        found = split(prompts, share=0.25, threshold=0.8, seed=seed)
        assert found.is_validation.tolist() == [False] * 36 + [True] * 4
    assert found.largest_group == 36


def test_the_smallest_group_is_set_aside_where_none_fits() -> None:
    prompts = ["a"] * 10 + ["b"] * 4 + ["c"] * 6
    assert sides(prompts, split(prompts, share=0.05))[True] == {"b"}


def test_a_share_of_nothing_sets_nothing_aside() -> None:
    assert split(["a", "b", "c"], share=0.0).rows == {"train": 6}


@pytest.mark.parametrize("prompts", [["a"], ["a", "a"]])
def test_training_keeps_the_only_prompt(prompts: list[str]) -> None:
    assert split(prompts, share=0.9).rows == {"train": 2 * len(prompts)}


def test_training_keeps_one_of_two_prompts_however_large_the_share() -> None:
    assert split(["a", "b"], share=0.99).rows == {"train": 2, "validation": 2}


def test_no_tasks_are_split_into_nothing() -> None:
    assert split([], share=0.5, threshold=0.8).rows == {}
