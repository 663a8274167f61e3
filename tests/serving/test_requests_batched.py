from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import LengthScorer

from steersman.serving.batching import num_taken, parts, retry_after_seconds, score_together
from steersman.serving.rows import Rows

words = st.text("ab", max_size=3)
requests = st.lists(st.lists(st.tuples(words, words), min_size=1, max_size=4), min_size=1, max_size=6)


def rows_of(pairs: list[tuple[str, str]]) -> Rows:
    return Rows(tuple(prompt for prompt, _ in pairs), tuple(response for _, response in pairs))


@given(requests)
def test_every_request_gets_the_scores_of_its_own_rows_in_order(asked: list[list[tuple[str, str]]]) -> None:
    scored = score_together(LengthScorer(), [rows_of(pairs) for pairs in asked])
    for pairs, scores in zip(asked, parts(scored, sizes=[len(pairs) for pairs in asked]), strict=True):
        lengths = [[len(response), len(prompt)] for prompt, response in pairs]
        assert scores.outputs.tolist() == lengths
        assert scores.rewards.tolist() == [2 * response + prompt for response, prompt in lengths]


@given(requests)
def test_rows_of_one_prompt_stand_side_by_side_in_the_one_call(asked: list[list[tuple[str, str]]]) -> None:
    scorer = LengthScorer()
    score_together(scorer, [rows_of(pairs) for pairs in asked])
    [call] = scorer.calls
    assert sorted(call) == sorted(pair for pairs in asked for pair in pairs)
    changes = sum(one[0] != other[0] for one, other in pairwise(call))
    assert changes == len({prompt for prompt, _ in call}) - 1


def test_rows_that_were_cut_are_named_by_the_numbers_of_their_request() -> None:
    asked = [[("b", "x"), ("a", "cut")], [("a", "x")], [("c", "x"), ("b", "x"), ("a", "cut")]]
    scored = score_together(LengthScorer(), [rows_of(pairs) for pairs in asked])
    assert [scores.truncated for scores in parts(scored, sizes=[2, 1, 3])] == [(1,), (), (2,)]


@pytest.mark.parametrize(
    ("sizes", "taken"), [([], 0), ([3], 1), ([9], 1), ([2, 2, 1], 3), ([2, 2, 2, 1], 2), ([9, 1], 1), ([4, 9, 1], 1)]
)
def test_a_batch_of_five_rows_takes_whole_requests_in_their_order(sizes: list[int], taken: int) -> None:
    assert num_taken(sizes, max_rows=5) == taken


@pytest.mark.parametrize(
    ("num_rows", "rate", "seconds"), [(0, 0.0, 1), (100, 0.0, 1), (0, 10.0, 1), (25, 10.0, 3), (10_000, 10.0, 60)]
)
def test_clients_come_back_when_what_waits_is_scored_within_a_minute(num_rows: int, rate: float, seconds: int) -> None:
    assert retry_after_seconds(num_rows, rows_per_second=rate) == seconds


def test_scores_stay_single_precision() -> None:
    scored = score_together(LengthScorer(), [rows_of([("a", "b")])])
    assert {scored.outputs.dtype, scored.rewards.dtype} == {np.dtype(np.float32)}
