import numpy as np
import pytest

from steersman.annotation.reports import Estimate, Rated, biases


def rated(rows: list[tuple[int, int, int]], *, people: int, untrusted: tuple[int, ...] = ()) -> Rated:
    """Rows of response, annotator and score; two responses make a task; a score of -1 was not given."""
    response, annotator, score = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    trusted = np.ones(people, dtype=np.bool_)
    trusted[list(untrusted)] = False
    scores = score.astype(np.int8)[:, None]
    task = np.arange(int(response.max()) + 1) // 2
    return Rated(scores, scores >= 0, response, annotator, task, trusted)


def test_bias_is_the_mean_distance_from_the_others() -> None:
    """Annotator 0 gives 3 where the others give 1 and 2, and 4 where they give 4 and 4: 1.5 and 0."""
    found = biases(rated([(0, 0, 3), (0, 1, 1), (0, 2, 2), (2, 0, 4), (2, 1, 4), (2, 2, 4)], people=3))[0][0]
    assert found is not None
    assert (found.value, found.count) == (0.75, 2)


def test_the_interval_counts_the_responses_of_a_task_once() -> None:
    """Distances 1 and 1 in one task, 0 and 0 in another: mean 1/2, sums of residuals 1 and -1 over two tasks.

    The standard error is sqrt(2 * 2 / 1) / 4 = 1/2.
    """
    rows = [(unit, who, score) for unit, mine in enumerate((3, 3, 2, 2)) for who, score in ((0, mine), (1, 2))]
    found = biases(rated(rows, people=2))[0][0]
    assert found is not None
    assert found.low == pytest.approx(0.5 - 0.98, abs=1e-3)
    assert found.high == pytest.approx(0.5 + 0.98, abs=1e-3)


def test_one_task_gives_no_interval() -> None:
    assert biases(rated([(0, 0, 4), (0, 1, 1)], people=2))[0] == [
        Estimate(3.0, None, None, 1),
        Estimate(-3.0, None, None, 1),
    ]


def test_who_is_not_trusted_is_compared_and_not_compared_with() -> None:
    """The spammer, 2, is 4 above the mean of the others; those two agree with each other."""
    rows = [(0, 0, 0), (0, 1, 0), (0, 2, 4)]
    values = [each and each.value for each in biases(rated(rows, people=3, untrusted=(2,)))[0]]
    assert values == [0.0, 0.0, 4.0]


def test_a_response_nobody_else_rated_says_nothing() -> None:
    assert biases(rated([(0, 0, 4), (0, 2, -1), (2, 1, 3)], people=3))[0] == [None, None, None]
