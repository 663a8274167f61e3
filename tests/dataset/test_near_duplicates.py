"""Near duplicates are exactly the pairs that are similar enough, up to the misses that the bands allow."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.dataset.near_duplicates import MOST_MISSED, bands_for, near_duplicate_groups
from steersman.records import Message, prompt_to_text


def words(number: int, *, rng: np.random.Generator) -> list[str]:
    return [f"w{each}" for each in rng.choice(10**6, size=number, replace=False)]


def groups(prompts: Sequence[str], *, threshold: float = 0.8) -> list[int]:
    found: list[int] = near_duplicate_groups(prompts, threshold=threshold).tolist()
    return found


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the sets of three words in a row of a text of plain words."""
    words = text.split()
    return frozenset(tuple(words[place : place + 3]) for place in range(max(len(words) - 2, 1)))


def jaccard(first: str, second: str) -> float:
    return len(shingles(first) & shingles(second)) / len(shingles(first) | shingles(second))


def chained_groups(prompts: Sequence[str], *, threshold: float) -> list[int]:
    """Return the groups by comparing every prompt with every other."""
    labels: list[int] = []
    sets = [shingles(prompt) for prompt in prompts]
    for one in sets:
        earlier = zip(labels, sets, strict=False)
        near = {label for label, other in earlier if len(one & other) / len(one | other) >= threshold}
        joined = min(near, default=len(labels))
        labels = [*(joined if label in near else label for label in labels), joined]
    mentioned = list(dict.fromkeys(labels))
    return [mentioned.index(label) for label in labels]


@given(st.lists(st.text(alphabet="abc ", max_size=12).map(lambda text: " ".join(text) or "a"), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_groups_are_those_of_comparing_all_with_all(prompts: list[str]) -> None:
    """At 0.3 each of 128 hash functions is a band: a pair is missed with probability 0.7^128, which is never."""
    assert groups(prompts, threshold=0.3) == chained_groups(prompts, threshold=0.3)


def test_pairs_exactly_at_the_threshold_are_found_as_often_as_promised() -> None:
    """38 words are 36 shingles; with other words in the last 4 places, 32 of 40 are shared: 0.8.

    A pair is missed with probability 1/1000 at most, 1000 pairs hardly ever (1 in 100,000) more than 7 times.
    """
    rng = np.random.default_rng(0)
    prompts = [words(38, rng=rng) for _ in range(1000)]
    twins = [[*prompt[:34], *words(4, rng=rng)] for prompt in prompts]
    found = near_duplicate_groups([" ".join(each) for each in prompts + twins], threshold=0.8)
    assert jaccard(" ".join(prompts[0]), " ".join(twins[0])) == 0.8
    assert (found[:1000] != found[1000:]).sum() <= 7


def test_pairs_just_below_the_threshold_are_never_joined() -> None:
    """With other words in the last 5 places, 31 of 41 shingles are shared: 0.756."""
    rng = np.random.default_rng(1)
    prompts = [words(38, rng=rng) for _ in range(500)]
    twins = [[*prompt[:33], *words(5, rng=rng)] for prompt in prompts]
    assert groups([" ".join(each) for each in prompts + twins]) == list(range(1000))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 0.99, 1.0])
def test_bands_miss_a_pair_at_the_threshold_as_rarely_as_promised(threshold: float) -> None:
    bands = bands_for(threshold)
    assert (1 - threshold**bands.rows) ** bands.number <= MOST_MISSED
    assert bands.number * bands.rows <= 128


def test_a_template_that_many_prompts_share_hides_no_near_duplicate() -> None:
    """97 words of 115 are the same everywhere, so 95 of 131 shingles: 0.73, below the threshold but in many bands.

    A twin with two other words shares 107 of 119: it agrees on one of 18 bands with p = 0.9^5 = 0.59. Agreeing on two
    bands in a row makes neighbours of the two; 18 bands without that have probability 0.005, 50 twins more than 4 such
    cases hardly ever (1 in 100,000).
    """
    rng = np.random.default_rng(2)
    template = words(97, rng=rng)
    prompts = [[*template, *words(18, rng=rng)] for _ in range(400)]
    twins = [[*words(1, rng=rng), *prompt[1:60], *words(1, rng=rng), *prompt[61:]] for prompt in prompts[:50]]
    found = near_duplicate_groups([" ".join(each) for each in prompts + twins], threshold=0.8)
    assert (found[:50] != found[400:]).sum() <= 4
    assert np.unique(found[:400]).size == 400


def test_a_chain_of_similar_prompts_is_one_group() -> None:
    """Each is 0.8 similar to the next, the first and the last (24 of 48 shingles) only 0.5."""
    rng = np.random.default_rng(3)
    first = words(38, rng=rng)
    second = [*first[:34], *words(4, rng=rng)]
    third = [*words(4, rng=rng), *second[4:]]
    assert jaccard(" ".join(first), " ".join(third)) < 0.8
    assert groups([" ".join(first), "something else", " ".join(third), " ".join(second)]) == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is the capital of France?", "what is the CAPITAL, of france"),
        ("What is the capital\nof  France?", "What is the capital of France"),
        ("c#", "C"),
        ("C'est déjà l'été, n'est-ce pas ?", "c\u2019EST DÉJÀ L\u2019ÉTÉ n\u2019est ce pas!"),
        ("snake_case", "snake case"),
        ("", "?!"),
    ],
)
def test_prompts_with_the_same_words_belong_together(first: str, second: str) -> None:
    assert groups([first, "another prompt", second], threshold=1.0) == [0, 1, 0]


def test_marks_of_turns_are_no_words() -> None:
    talk = [Message("user", "Tell me a story"), Message("assistant", "Once upon a time"), Message("user", "Go on")]
    assert groups([prompt_to_text(talk), "tell me a story once upon a time go on"], threshold=1.0) == [0, 0]


def test_short_prompts_with_other_words_stay_apart() -> None:
    assert groups(["hello", "hello there", "hello there friend", "there hello"]) == [0, 1, 2, 3]


def test_a_word_that_goes_on_and_on_is_one_shingle_however_long() -> None:
    assert groups(["ha ha ha", "ha ha ha ha ha", "ha ha"]) == [0, 0, 1]


def test_long_words_differ_in_their_last_letter() -> None:
    assert groups(["x" * 40 + "y", "x" * 40 + "z", "x" * 41]) == [0, 1, 2]


def test_characters_of_scripts_without_spaces_are_words() -> None:
    """20 characters are 18 shingles; the last one changed leaves 17 of 19 shared: 0.89."""
    text = "春眠不覺曉處處聞啼鳥夜來風雨聲花落知多少"
    assert groups([text, text[:-1] + "無", "白日依山盡黃河入海流欲窮千里目更上一層樓"]) == [0, 0, 1]


def test_groups_depend_on_no_order() -> None:
    rng = np.random.default_rng(4)
    prompts = [words(40, rng=rng) for _ in range(200)]
    texts = [" ".join(each) for each in [*prompts, *([*each[:38], "x", "y"] for each in prompts[:100])]]
    order = rng.permutation(300)
    found = near_duplicate_groups(texts, threshold=0.8)
    shuffled = near_duplicate_groups([texts[place] for place in order], threshold=0.8)
    assert len(set(zip(found[order].tolist(), shuffled.tolist(), strict=True))) == found.max() + 1 == shuffled.max() + 1


def test_prompts_beyond_one_chunk_are_numbered_on() -> None:
    """A million characters are read in several parts; the last prompt repeats the first."""
    rng = np.random.default_rng(5)
    prompts = [" ".join(words(100, rng=rng)) for _ in range(1500)]
    assert sum(map(len, prompts)) > 1_000_000
    assert groups([*prompts, prompts[0].upper()]) == [*range(1500), 0]


def test_no_prompts_have_no_groups() -> None:
    assert near_duplicate_groups(pl.Series([], dtype=pl.String), threshold=0.8).tolist() == []


@pytest.mark.data
def test_pairs_in_the_real_prompts_are_those_of_comparing_all_with_all(data_folder: Path) -> None:
    """At 0.3 no pair is ever missed; chains of two or three are followed as everywhere."""
    rows = [json.loads(line) for line in (data_folder / "helpsteer2" / "train.jsonl").read_text("utf-8").splitlines()]
    # only letters and spaces, so that the plain comparison folds alike
    texts = [re.sub("[^a-z]+", " ", row["prompt"].lower()).strip() for row in rows[0:600:2]]
    found = groups(texts, threshold=0.3)
    assert found == chained_groups(texts, threshold=0.3)
    assert len(set(found)) < len(found)


@pytest.mark.parametrize("threshold", [0.0, 1.5, float("nan")])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        near_duplicate_groups(["a"], threshold=threshold)
