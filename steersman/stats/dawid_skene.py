"""How often each rater confuses which levels, and which level each unit truly has: the model of Dawid and Skene.

A unit has one true level j, drawn with probability `prior[j]`. A rater p who meets it gives level k with probability
`confusion[p, j, k]`, whatever the others gave. Both are estimated by expectation-maximisation from the ratings alone,
starting from the shares of each unit's votes (Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm, Applied Statistics 28, 1979: formulas 2.3 to 2.5 and 3.1).

Levels are ordered, which the 1979 model ignores. Smoothing brings the order in: each rater is taken to have rated, on
top of the real units, `smoothing` units of every true level j, and to have given them level k in proportion to
closeness^|j - k|. A rater with few ratings is then believed to be right or nearly right until shown otherwise, and no
probability is ever 0.

U units, P raters, K levels. The result is the same to the last bit in whatever order ratings, units or raters come:
all sums over them are exact (steersman.stats.votes), at the price of rounding each unit's shares, by less than 1e-9 for
four million units. That shows only without smoothing, in rows of a confusion that rest on less evidence than that.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.votes import FloatArray, Votes, count_votes, exact_sum, summable


@dataclass(frozen=True, slots=True)
class DawidSkeneRules:
    """How the model is fitted; without smoothing it is that of 1979.

    `smoothing` counts pseudo-ratings per rater and true level; `closeness` from 0 to 1 says how much of them falls on
    neighbouring levels: 1 spreads them evenly, 0 puts all on the true level. The fit stops when an iteration gains at
    most `tolerance` in log-likelihood per rating, or after `max_iterations`.
    """

    smoothing: float = 0.0
    closeness: float = 0.5
    tolerance: float = 1e-6
    max_iterations: int = 100

    def __post_init__(self) -> None:
        """Raise ValueError for a number out of its range."""
        if self.smoothing < 0 or not 0 <= self.closeness <= 1 or self.tolerance < 0 or self.max_iterations < 1:
            raise ValueError(f"numbers out of range, see the docstring: {self}")


@dataclass(frozen=True, slots=True)
class DawidSkeneFit:
    """Estimates, and the course of the fit.

    `posterior` (U, K) is the probability of each true level of a unit under `prior` (K,) and `confusion` (P, K, K),
    whose last axis is the level given. Without smoothing, a rater's row for a level that none of their units can have
    is 1 / K throughout: it says nothing. `log_likelihood` (iterations,) is that of the ratings and of the
    pseudo-ratings together; it never falls but for rounding. `converged` says which of the two limits ended the fit.
    """

    posterior: FloatArray
    prior: FloatArray
    confusion: FloatArray
    log_likelihood: FloatArray
    converged: bool


CLASSICAL = DawidSkeneRules()


def fit_dawid_skene(
    level: npt.ArrayLike,
    *,
    unit: npt.ArrayLike,
    rater: npt.ArrayLike,
    num_levels: int,
    rules: DawidSkeneRules = CLASSICAL,
) -> DawidSkeneFit:
    """Fit the model to R ratings, given by `level`, `unit` and `rater`, each (R,); `unit` ascends.

    Raises ValueError as `count_votes` does.
    """
    votes = count_votes(level, unit=unit, rater=rater, num_levels=num_levels)
    pseudo = pseudo_ratings(num_levels, rules=rules)
    posterior = _vote_shares(votes)
    course: list[float] = []
    converged = False
    while len(course) < rules.max_iterations and not converged:
        prior, confusion = _estimates(votes, posterior, pseudo=pseudo)
        posterior, log_likelihood = _posterior(votes, prior, confusion)
        course.append(log_likelihood + _log_likelihood_of_pseudo(confusion, pseudo))
        gain = course[-1] - course[-2] if len(course) > 1 else np.inf
        converged = gain <= rules.tolerance * votes.per_unit.sum()
    return DawidSkeneFit(posterior, prior, confusion, np.array(course), converged=bool(converged))


def pseudo_ratings(num_levels: int, *, rules: DawidSkeneRules) -> FloatArray:
    """Return how many pseudo-ratings each level k gets where the true level is j, shape (K, K); rows are j.

    smoothing * closeness^|j - k| / sum over l of closeness^|j - l|
    """
    levels = np.arange(num_levels)
    weights = np.power(rules.closeness, np.abs(levels[:, None] - levels[None, :]), dtype=np.float64)
    return np.asarray(rules.smoothing * weights / weights.sum(axis=1, keepdims=True))


def _vote_shares(votes: Votes) -> FloatArray:
    raters, levels = votes.per_kind.shape
    is_level = np.broadcast_to(np.eye(levels), (raters, levels, levels))
    return votes.sums_per_unit(np.ascontiguousarray(is_level)) / votes.per_unit[:, None]


def _estimates(votes: Votes, posterior: FloatArray, *, pseudo: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the most likely prior (K,) and confusion (P, K, K) where units have levels as in `posterior`."""
    shares = summable(posterior, largest=1.0, terms=max(votes.per_unit.size, votes.most_of_a_kind))
    prior = shares.sum(axis=0)
    counts = votes.sums_per_kind(shares).transpose(0, 2, 1) + pseudo
    totals = counts.sum(axis=2, keepdims=True)
    confusion = np.where(totals > 0, counts, 1.0) / np.where(totals > 0, totals, counts.shape[2])
    return prior / prior.sum(), confusion


def _posterior(votes: Votes, prior: FloatArray, confusion: FloatArray) -> tuple[FloatArray, float]:
    """Return the probability (U, K) of each true level of each unit, and the log-likelihood of all ratings."""
    with np.errstate(divide="ignore"):  # log 0 = -inf: a level that the votes rule out
        log_prior, log_confusion = np.log(prior), np.log(confusion)
    largest = max(_largest(log_prior), _largest(log_confusion))
    terms = votes.most_of_a_unit + 1
    given = summable(log_confusion, largest=largest, terms=terms).transpose(0, 2, 1)
    logs = votes.sums_per_unit(np.ascontiguousarray(given)) + summable(log_prior, largest=largest, terms=terms)
    by_level = np.ascontiguousarray(logs.T)  # numpy is slow along an axis as short as K
    highest = by_level.max(axis=0)
    shares = np.exp(by_level - highest)
    total = shares.sum(axis=0)
    shares /= total
    return np.ascontiguousarray(shares.T), exact_sum(highest + np.log(total))


def _largest(logs: FloatArray) -> float:
    return float(np.abs(logs[np.isfinite(logs)]).max(initial=0.0))


def _log_likelihood_of_pseudo(confusion: FloatArray, pseudo: FloatArray) -> float:
    where = pseudo > 0
    return exact_sum((pseudo[where] * np.log(confusion[:, where])).ravel())
