"""Weights from agreement: the inverse of a moderated variance, one in the mean."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from steersman.reward.agreement_weights import Dispersion, agreement_weights, dispersion_of

Lists = list[list[int | None]]
RATINGS = st.lists(st.integers(0, 4), min_size=1, max_size=5)
MOST = 5


def weights_of(*attributes: Lists, prior_degrees: float = 4.0) -> Tensor:
    padded = [[[*ratings, *[None] * (MOST - len(ratings))] for ratings in column] for column in attributes]
    ratings_BAN = np.array(padded, dtype=np.float64).swapaxes(0, 1)
    return agreement_weights(dispersion_of(ratings_BAN), prior_degrees=prior_degrees)


def test_the_dispersion_of_ratings_is_their_sample_variance_and_number() -> None:
    nan = float("nan")
    found = dispersion_of(np.array([[[2.0, 3.0, 4.0]], [[0.0, nan, 4.0]], [[nan, 1.0, nan]], [[nan, nan, nan]]]))
    # squared distances from the mean: 1 + 0 + 1 over 2, 4 + 4 over 1; one rating has no spread
    np.testing.assert_array_equal(found.variances[:, 0], [1.0, 8.0, nan, nan])
    np.testing.assert_array_equal(found.counts[:, 0], [3, 2, 1, 0])


def test_two_responses_by_hand() -> None:
    # variances 0 and 1, two degrees of freedom each: pooled 1/2, moderated (4/2 + 0) / 6 and (4/2 + 2) / 6
    precision = [3 / (2 / 6), 3 / (4 / 6)]
    expected = [each / (sum(precision) / 2) for each in precision]
    assert_close(weights_of([[3, 3, 3], [2, 3, 4]]), torch.tensor(expected)[:, None])


def test_three_equal_ratings_weigh_half_as_much_again_as_the_usual_three() -> None:
    dispersion = Dispersion(np.array([[0.0]] + [[0.7]] * 10**5), np.full((10**5 + 1, 1), 3.0))
    found = agreement_weights(dispersion)[:2, 0]
    assert (found[0] / found[1]).item() == pytest.approx(1.5, rel=1e-4)


def test_more_raters_of_the_same_spread_weigh_more() -> None:
    found = agreement_weights(Dispersion(np.full((2, 1), 0.5), np.array([[5.0], [3.0]])))
    assert (found[0] / found[1]).item() == pytest.approx(5 / 3)


def test_responses_without_lists_weigh_one_and_change_no_other_weight() -> None:
    rated: Lists = [[3, 3, 3], [0, 2, 4]]
    assert_close(weights_of([*rated, [], [None]])[:, 0], torch.cat([weights_of(rated)[:, 0], torch.ones(2)]))


def test_missing_ratings_of_a_list_are_no_ratings() -> None:
    assert_close(weights_of([[3, None, 3], [0, 4]]), weights_of([[3, 3], [0, 4]]))


def test_a_single_rating_has_the_pooled_variance() -> None:
    found = weights_of([[2], [3, 3, 3], [2, 3, 4]])[:, 0]
    # pooled 1/2 over one rating; moderated 1/3 and 2/3 over three
    precision = torch.tensor([1 / (1 / 2), 3 / (1 / 3), 3 / (2 / 3)])
    assert_close(found, precision / precision.mean())


def test_raters_who_always_agree_leave_only_their_number() -> None:
    assert_close(weights_of([[1, 1, 1], [4, 4, 4]]), torch.ones(2, 1))
    assert_close(weights_of([[1], [4]]), torch.ones(2, 1))


def test_each_attribute_is_pooled_for_itself() -> None:
    calm: Lists = [[3, 3, 4], [3, 3, 3]]
    wild: Lists = [[0, 2, 4], [4, 0, 4]]
    assert_close(weights_of(calm, wild), torch.cat([weights_of(calm), weights_of(wild)], dim=1))


def test_few_prior_degrees_trust_the_ratings_more() -> None:
    few, many = (weights_of([[3, 3, 3], [0, 2, 4]], prior_degrees=each)[0].item() for each in (1.0, 1e9))
    assert few > weights_of([[3, 3, 3], [0, 2, 4]])[0].item() > many
    assert many == pytest.approx(1.0)


@given(st.lists(RATINGS, min_size=1, max_size=20))
def test_weights_are_positive_and_one_in_the_mean(lists: list[list[int]]) -> None:
    found = weights_of([list[int | None](each) for each in lists])
    assert found.dtype == torch.float32
    assert (found > 0).all()
    assert found.mean().item() == pytest.approx(1, rel=1e-5)


@given(st.lists(RATINGS, min_size=2, max_size=20))
def test_of_two_lists_of_one_length_the_narrower_never_weighs_less(lists: list[list[int]]) -> None:
    found = weights_of([list[int | None](each) for each in lists])[:, 0].tolist()
    for one, weight in zip(lists, found, strict=True):
        for other, other_weight in zip(lists, found, strict=True):
            if len(one) == len(other) and len(one) > 1 and np.var(one) <= np.var(other):
                assert weight >= other_weight - 1e-6


@pytest.mark.parametrize(("variance", "count"), [(-1.0, 3.0), (1.0, -3.0)])
def test_negative_variances_and_numbers_are_refused(variance: float, count: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        agreement_weights(Dispersion(np.array([[variance]]), np.array([[count]])))


def test_no_prior_and_shapes_that_differ_are_refused() -> None:
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="prior_degrees must be above zero"):
        agreement_weights(Dispersion(one, one), prior_degrees=0.0)
    with pytest.raises(ValueError, match="one shape"):
        agreement_weights(Dispersion(one, np.ones((2, 1))))
    with pytest.raises(ValueError, match="one shape"):
        agreement_weights(Dispersion(np.ones(2), np.ones(2)))
