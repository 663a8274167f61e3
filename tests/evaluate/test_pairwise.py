import numpy as np
import pytest
from scipy.stats import binomtest

from steersman.errors import DataError
from steersman.evaluate.pairwise import check_pairs, paired_difference, pairwise_accuracy

# four pairs: first better, second better, tied, first better
LABELS = [4, 1, 0, 3, 2, 2, 3, 2]
NUM_UNTIED = 3


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_labels_themselves_rank_every_untied_pair_right() -> None:
    found = pairwise_accuracy(LABELS, LABELS, rng=rng(), rounds=100)
    assert (found.accuracy.estimate, found.accuracy.high) == (1.0, 1.0)


@pytest.mark.parametrize("is_right", [True, False])
def test_unanimous_pairs_have_the_exact_interval_of_a_share(is_right: bool) -> None:
    scores = LABELS if is_right else np.negative(LABELS)
    found = pairwise_accuracy(LABELS, scores, rng=rng(), rounds=100).accuracy
    exact = binomtest(NUM_UNTIED if is_right else 0, NUM_UNTIED).proportion_ci(0.95, method="exact")
    assert [found.low, found.high] == pytest.approx([exact.low, exact.high])
    assert found.count == NUM_UNTIED


def test_reversed_labels_rank_every_untied_pair_wrong() -> None:
    assert pairwise_accuracy(LABELS, np.negative(LABELS), rng=rng(), rounds=100).accuracy.estimate == 0.0


def test_pairs_with_tied_labels_are_left_out_and_counted() -> None:
    found = pairwise_accuracy(LABELS, LABELS, rng=rng(), rounds=100)
    assert (found.accuracy.count, found.tied_labels) == (NUM_UNTIED, 1)


def test_a_score_tie_is_wrong_and_counted() -> None:
    # right, tied, (label tie, whose score tie is not counted), right
    scores = [1.0, 0.0, 5.0, 5.0, 7.0, 7.0, 1.0, 0.0]
    found = pairwise_accuracy(LABELS, scores, rng=rng(), rounds=100)
    assert found.tied_scores == 1
    assert found.accuracy.estimate == 2 / NUM_UNTIED


def test_constant_scores_are_never_right() -> None:
    found = pairwise_accuracy(LABELS, np.zeros(len(LABELS)), rng=rng(), rounds=100)
    assert (found.accuracy.estimate, found.tied_scores) == (0.0, NUM_UNTIED)


def test_only_the_order_of_scores_matters() -> None:
    scores = np.array([0.3, 0.2, 0.9, 0.1, 0.5, 0.4, 0.8, 0.7])
    plain = pairwise_accuracy(LABELS, scores, rng=rng(), rounds=100)
    assert pairwise_accuracy(LABELS, np.exp(9 * scores) - 4, rng=rng(), rounds=100) == plain


def test_the_interval_has_the_width_of_a_binomial_share() -> None:
    """For n pairs of accuracy p the normal approximation gives p +- 1.96 sqrt(p (1 - p) / n)."""
    pairs, right = 400, 300
    labels = np.tile([1, 0], pairs)
    scores = np.concatenate([np.tile([1, 0], right), np.tile([0, 1], pairs - right)])
    found = pairwise_accuracy(labels, scores, rng=rng(), rounds=4000).accuracy
    half_width = 1.96 * np.sqrt(0.75 * 0.25 / pairs)
    assert found.low == pytest.approx(0.75 - half_width, abs=0.005)
    assert found.high == pytest.approx(0.75 + half_width, abs=0.005)


def test_the_same_generator_gives_the_same_interval() -> None:
    scores = np.arange(8)
    first = pairwise_accuracy(LABELS, scores, rng=rng(), rounds=50)
    assert pairwise_accuracy(LABELS, scores, rng=rng(), rounds=50) == first


def test_an_odd_number_of_rows_is_refused() -> None:
    with pytest.raises(DataError, match="3 rows"):
        pairwise_accuracy([1, 2, 3], [1, 2, 3], rng=rng(), rounds=10)


def test_a_score_that_is_not_a_number_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match="row 2: nan"):
        pairwise_accuracy([1, 0], [0.5, float("nan")], rng=rng(), rounds=10)


def test_labels_that_all_tie_are_refused() -> None:
    with pytest.raises(DataError, match="no pair"):
        pairwise_accuracy([1, 1], [0.5, 0.2], rng=rng(), rounds=10)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="4 labels but 2 scores"):
        pairwise_accuracy([1, 0, 1, 0], [0.5, 0.2], rng=rng(), rounds=10)


def test_a_column_instead_of_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        pairwise_accuracy(np.zeros((2, 1)), np.zeros((2, 1)), rng=rng(), rounds=10)


def test_the_difference_is_that_of_the_two_accuracies() -> None:
    first, second = np.array(LABELS), np.array([0, 1, 0, 1, 0, 1, 0, 1])
    found = paired_difference(LABELS, first, second, rng=rng(), rounds=200)
    # `second` always prefers the second response, which is the better one in one of the three untied pairs
    assert found.estimate == pytest.approx(1 - 1 / NUM_UNTIED)
    assert found.count == NUM_UNTIED


def test_two_equal_scorers_differ_by_nothing_without_doubt() -> None:
    scores = np.random.default_rng(1).normal(size=8)
    found = paired_difference(LABELS, scores, scores, rng=rng(), rounds=200)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)


def test_pairs_hard_for_both_do_not_widen_the_difference() -> None:
    """Both scorers fail the same half of the pairs; resampled apart, their difference would swing by about 0.1."""
    labels = np.tile([1, 0], 100)
    scores = np.concatenate([np.tile([1, 0], 50), np.tile([0, 1], 50)])
    found = paired_difference(labels, scores, 2 * scores, rng=rng(), rounds=200)
    assert found.high - found.low == 0.0


def test_rows_of_one_prompt_side_by_side_pass() -> None:
    check_pairs(["a", "a", "b", "b"], source="file")


def test_rows_of_different_prompts_are_named_with_the_file() -> None:
    with pytest.raises(DataError, match="file: rows 3 and 4 have different prompts"):
        check_pairs(["a", "a", "b", "c"], source="file")


def test_a_last_row_without_its_pair_is_refused() -> None:
    with pytest.raises(DataError, match="file: 3 rows"):
        check_pairs(["a", "a", "b"], source="file")
