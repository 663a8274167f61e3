"""Dawid-Skene against its paper, against crowd-kit and on planted raters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.dawid_skene import DawidSkeneFit, DawidSkeneRules, fit_dawid_skene

LEVELS = 3
# Dawid and Skene 1979, table 1: 45 patients; the first observer rated each three times, the other four once.
ANAESTHETISTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212 "
    "1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 "
    "1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 "
    "2322222 1211111 2222222"
)
OBSERVERS = [0, 0, 0, 1, 2, 3, 4]
# four raters a unit, a point where one did not rate
VOTES = (
    "2202 011. 0.20 0.02 0.00 2222 .112 1021 ..00 0020 0000 11.1 1011 .210 0002 000. 22.2 .2.2 00.0 000. 1.11 1011 "
    "2122 1121"
)
# what crowd-kit 1.4.2 makes of VOTES in two iterations, three levels a unit
CROWD_KIT = (
    "0.00011 0.00000 0.99989  0.03807 0.87835 0.08358  0.97595 0.00257 0.02148  0.90161 0.00000 0.09839  "
    "0.99612 0.00000 0.00388  0.00002 0.00001 0.99998  0.00569 0.54340 0.45090  0.00008 0.99992 0.00000  "
    "0.96542 0.00000 0.03458  0.99835 0.00131 0.00034  0.99994 0.00000 0.00006  0.00000 0.99999 0.00001  "
    "0.00001 0.99999 0.00000  0.26257 0.01011 0.72732  0.99832 0.00000 0.00168  0.99957 0.00000 0.00043  "
    "0.00004 0.00001 0.99995  0.03877 0.00321 0.95802  0.99896 0.00090 0.00014  0.99957 0.00000 0.00043  "
    "0.00001 0.99999 0.00001  0.00001 0.99999 0.00000  0.00002 0.00058 0.99940  0.00000 0.99998 0.00002"
)


@dataclass(frozen=True, slots=True)
class Ratings:
    level: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    rater: npt.NDArray[np.int64]


def parsed(text: str, *, raters: Sequence[int], first: int) -> Ratings:
    found = [
        (int(given) - first, unit, rater)
        for unit, votes in enumerate(text.split())
        for given, rater in zip(votes, raters, strict=True)
        if given != "."
    ]
    return Ratings(*np.array(found).T)


def fitted(ratings: Ratings, rules: DawidSkeneRules, *, levels: int = LEVELS) -> DawidSkeneFit:
    return fit_dawid_skene(ratings.level, unit=ratings.unit, rater=ratings.rater, num_levels=levels, rules=rules)


def test_the_five_anaesthetists_have_the_published_error_rates() -> None:
    ratings = parsed(ANAESTHETISTS, raters=OBSERVERS, first=1)
    fit = fitted(ratings, DawidSkeneRules(tolerance=0.0, max_iterations=200), levels=4)
    assert fit.converged
    # tables 2, 3 (observer 1) and 4 (patients 1 to 6) of the paper
    assert fit.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert fit.confusion[0].round(2).tolist() == [
        [0.89, 0.11, 0.00, 0.00],
        [0.07, 0.88, 0.05, 0.00],
        [0.00, 0.34, 0.66, 0.00],
        [0.00, 0.00, 0.56, 0.44],
    ]
    assert fit.posterior[:6].round(2).argmax(axis=1).tolist() == [0, 3, 1, 1, 1, 1]
    assert fit.posterior[:6].max(axis=1).round(2).tolist() == [1.0] * 6


def test_two_iterations_give_the_posterior_of_crowd_kit() -> None:
    """CROWD_KIT is made from a frame `data` with a row (task, worker, label) for each vote, by this command.

    DawidSkene(n_iter=2, tol=1e-12).fit(data).probas_.sort_index()[[0, 1, 2]].round(5)
    """
    ratings = parsed(VOTES, raters=range(4), first=0)
    fit = fitted(ratings, DawidSkeneRules(tolerance=0.0, max_iterations=2))
    expected = np.array(CROWD_KIT.split(), dtype=np.float64).reshape(-1, 3)
    np.testing.assert_allclose(fit.posterior, expected, atol=6e-6)


def test_planted_confusions_are_found_again() -> None:
    rng = np.random.default_rng(5)
    good, lenient, random = (
        [[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.0, 0.3, 0.7]],
        np.eye(3)[[1, 2, 2]],
        [[0.5, 0.5, 0]] * 3,
    )
    planted = np.array([good, good, 0.7 * lenient + 0.1, random, 0.85 * np.eye(3) + 0.05])
    truth = rng.choice(3, size=40_000, p=[0.5, 0.2, 0.3])
    upto = planted.cumsum(axis=2)[:, truth]
    level = (rng.random((5, truth.size, 1)) > upto).sum(axis=2).T.ravel()
    ratings = Ratings(level, np.repeat(np.arange(truth.size), 5), np.tile(np.arange(5), truth.size))
    fit = fitted(ratings, DawidSkeneRules(tolerance=1e-9))
    np.testing.assert_allclose(fit.confusion, planted, atol=0.02)
    np.testing.assert_allclose(fit.prior, [0.5, 0.2, 0.3], atol=0.01)


def test_a_fit_says_whether_tolerance_or_iterations_ended_it() -> None:
    ratings = parsed(ANAESTHETISTS, raters=OBSERVERS, first=1)
    cut = fitted(ratings, DawidSkeneRules(max_iterations=2), levels=4)
    whole = fitted(ratings, DawidSkeneRules(tolerance=1e-3), levels=4)
    assert (cut.converged, cut.log_likelihood.size) == (False, 2)
    assert whole.converged
    gains = np.diff(whole.log_likelihood) / ratings.level.size
    assert gains[-1] <= 1e-3 < gains[:-1].min()


def test_a_rater_of_whom_little_is_known_is_believed_to_miss_by_little() -> None:
    # rater 3 rates one unit only
    ratings = parsed("000. 111. 222. 0000 111. 222.", raters=range(4), first=0)
    row = fitted(ratings, DawidSkeneRules(smoothing=5.0, closeness=0.3)).confusion[3, 2]
    expected = np.array([0.3**2, 0.3, 1.0]) / (1 + 0.3 + 0.3**2)
    np.testing.assert_allclose(row, expected, atol=0.01)


def test_a_row_without_evidence_is_uniform_without_smoothing() -> None:
    ratings = parsed("00 11", raters=range(2), first=0)
    assert fitted(ratings, DawidSkeneRules()).confusion[0, 2].tolist() == [1 / 3] * 3
