"""How often each rater confuses which levels, and which level each unit truly has: the model of Dawid and Skene.

A unit has one true level j, drawn with probability `prior[j]`. A rater p who meets it gives level k with probability
`confusion[p, j, k]`, whatever the others gave. Both are estimated by expectation-maximisation from the ratings alone,
starting from the shares of each unit's votes (Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm, Applied Statistics 28, 1979: formulas 2.3 to 2.5 and 3.1).

Near the end expectation-maximisation creeps. A step may therefore be stretched along its own direction, as far as the
last two steps suggest; where the likelihood would be lower than without, it is not (Varadhan and Roland, Simple and
Globally Convergent Methods for Accelerating the Convergence of Any EM Algorithm, Scandinavian Journal of Statistics 35,
2008).

Levels are ordered, which the 1979 model ignores. Smoothing brings the order in: each rater is taken to have rated, on
top of the real units, `smoothing` units of every true level j, and to have given them level k in proportion to
closeness^|j - k|. A rater with few ratings is then believed to be right or nearly right until shown otherwise, and no
probability is ever 0.

U units, P raters, K levels. The result is the same to the last bit in whatever order ratings, units or raters come:
all sums over them are exact (steersman.stats.votes), at the price of rounding each unit's shares, by less than 1e-9 for
four million units. That shows only without smoothing, in rows of a confusion that rest on less evidence than that.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.votes import FloatArray, Votes, count_votes, exact_sum, summable

_SHORTEST_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class DawidSkeneRules:
    """How the model is fitted; without smoothing it is that of 1979.

    `smoothing` counts pseudo-ratings per rater and true level; `closeness` from 0 to 1 says how much of them falls on
    neighbouring levels: 1 spreads them evenly, 0 puts all on the true level. The fit stops when an iteration without
    stretching gains at most `tolerance` in log-likelihood per rating, or after `max_iterations`. `longest_step` is how
    far a step is stretched at most, at first; 1 stretches none.
    """

    smoothing: float = 0.0
    closeness: float = 0.5
    tolerance: float = 1e-6
    max_iterations: int = 100
    longest_step: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a number out of its range."""
        is_smooth = self.smoothing >= 0 and 0 <= self.closeness <= 1
        if not is_smooth or self.tolerance < 0 or self.max_iterations < 1 or self.longest_step < 1:
            raise ValueError(f"numbers out of range, see the docstring: {self}")


@dataclass(frozen=True, slots=True)
class DawidSkeneFit:
    """Estimates, and the course of the fit.

    `posterior` (U, K), rounded as said above, is the probability of each true level of a unit under `prior` (K,) and
    `confusion` (P, K, K), whose last axis is the level given. Without smoothing, a rater's row for a level that none of
    their units can have is 1 / K throughout: it says nothing. `log_likelihood` (iterations,) is that of the ratings and
    of the pseudo-ratings together; it never falls but for rounding. `converged` says which of the two limits ended the
    fit.
    """

    posterior: FloatArray
    prior: FloatArray
    confusion: FloatArray
    log_likelihood: FloatArray
    converged: bool


CLASSICAL = DawidSkeneRules()

# the prior (K,), and the confusion (P, K, K)
Estimates = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class _Point:
    """Estimates, and what follows from them: the posterior (U, K) and the log-likelihood."""

    estimates: Estimates
    posterior: FloatArray
    log_likelihood: float


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
    point = _evaluated(votes, _estimates(votes, _vote_shares(votes), pseudo=pseudo), pseudo=pseudo)
    course = [point.log_likelihood]
    longest, converged = rules.longest_step, False
    while len(course) < rules.max_iterations and not converged:
        begin, point = point, _evaluated(votes, _estimates(votes, point.posterior, pseudo=pseudo), pseudo=pseudo)
        course.append(point.log_likelihood)
        converged = course[-1] - course[-2] <= rules.tolerance * int(votes.per_unit.sum())
        if longest > 1.0 and len(course) < rules.max_iterations and not converged:
            point, longest = _stretched(votes, begin, point, pseudo=pseudo, longest=longest)
            course.append(point.log_likelihood)
    prior, confusion = point.estimates
    return DawidSkeneFit(point.posterior, prior, confusion, np.array(course), converged=converged)


def pseudo_ratings(num_levels: int, *, rules: DawidSkeneRules) -> FloatArray:
    """Return how many pseudo-ratings each level k gets where the true level is j, shape (K, K); rows are j.

    smoothing * closeness^|j - k| / sum over l of closeness^|j - l|
    """
    levels = np.arange(num_levels)
    weights = np.power(rules.closeness, np.abs(levels[:, None] - levels[None, :]), dtype=np.float64)
    return np.asarray(rules.smoothing * weights / weights.sum(axis=1, keepdims=True))


def _vote_shares(votes: Votes) -> FloatArray:
    raters, levels = votes.per_kind.shape
    is_level = np.ascontiguousarray(np.broadcast_to(np.eye(levels), (raters, levels, levels)))
    return _rounded(votes.sums_per_unit(is_level) / votes.per_unit[:, None], votes)


def _rounded(shares: FloatArray, votes: Votes) -> FloatArray:
    """Return shares whose sums over all units, and over the votes of a kind, are exact."""
    return summable(shares, largest=1.0, terms=max(votes.per_unit.size, votes.most_of_a_kind))


def _stretched(
    votes: Votes, begin: _Point, middle: _Point, *, pseudo: FloatArray, longest: float
) -> tuple[_Point, float]:
    """Return where two steps from `begin` over `middle` lead, stretched if that is better, and the next longest step.

    With the steps r and r + v the stretched one ends in begin + 2 s r + s^2 v, s = |r| / |v|, the best multiple of the
    two where all directions converge at one rate; s = 1 is no stretching.
    """
    end = _estimates(votes, middle.posterior, pseudo=pseudo)
    parts = list(zip(begin.estimates, middle.estimates, end, strict=True))
    first = _length([one - zero for zero, one, _ in parts])
    change = _length([two - 2.0 * one + zero for zero, one, two in parts])
    step = min(max(first / change if change > 0 else longest, 1.0), longest)
    ahead = [zero + 2.0 * step * (one - zero) + step**2 * (two - 2.0 * one + zero) for zero, one, two in parts]
    # probabilities stay above a tenth of what they would be without
    prior, confusion = (np.maximum(far, near / 10.0) for far, near in zip(ahead, end, strict=True))
    estimates = (prior / prior.sum(), confusion / confusion.sum(axis=2, keepdims=True))
    found = _evaluated(votes, estimates, pseudo=pseudo)
    if found.log_likelihood >= middle.log_likelihood:
        return found, 2.0 * longest if step == longest else longest
    return _evaluated(votes, end, pseudo=pseudo), max(longest / 2.0, _SHORTEST_LIMIT)


def _length(parts: list[FloatArray]) -> float:
    return math.sqrt(sum(exact_sum((part**2).ravel()) for part in parts))


def _evaluated(votes: Votes, estimates: Estimates, *, pseudo: FloatArray) -> _Point:
    posterior, log_likelihood = _posterior(votes, *estimates)
    return _Point(estimates, posterior, log_likelihood + _log_likelihood_of_pseudo(estimates[1], pseudo))


def _estimates(votes: Votes, posterior: FloatArray, *, pseudo: FloatArray) -> Estimates:
    """Return the most likely prior (K,) and confusion (P, K, K) where units have levels as in `posterior`."""
    prior = posterior.sum(axis=0)
    counts = votes.sums_per_kind(posterior).transpose(0, 2, 1) + pseudo
    totals = counts.sum(axis=2, keepdims=True)
    confusion = np.where(totals > 0, counts, 1.0) / np.where(totals > 0, totals, counts.shape[2])
    return prior / prior.sum(), confusion


def _posterior(votes: Votes, prior: FloatArray, confusion: FloatArray) -> tuple[FloatArray, float]:
    """Return the probability (U, K) of each true level of each unit, and the log-likelihood of all ratings."""
    with np.errstate(divide="ignore"):  # log 0 = -inf: a level that the votes rule out
        log_prior, log_confusion = np.log(prior), np.log(confusion)
    given = summable(log_confusion, largest=_largest(log_confusion), terms=votes.most_of_a_unit).transpose(0, 2, 1)
    posterior, log_likelihoods = np.empty((votes.per_unit.size, prior.size)), np.empty(votes.per_unit.size)
    for units, logs in votes.sums_by_part(np.ascontiguousarray(given)):
        by_level = np.ascontiguousarray(logs.T)  # numpy is slow along an axis as short as K
        by_level += log_prior[:, None]
        highest = by_level.max(axis=0)
        by_level -= highest
        shares = np.exp(by_level, out=by_level)
        total = shares.sum(axis=0)
        shares /= total
        posterior[units] = _rounded(shares, votes).T
        log_likelihoods[units] = highest + np.log(total)
    return posterior, exact_sum(log_likelihoods)


def _largest(logs: FloatArray) -> float:
    return float(np.abs(logs[np.isfinite(logs)]).max(initial=0.0))


def _log_likelihood_of_pseudo(confusion: FloatArray, pseudo: FloatArray) -> float:
    where = pseudo > 0
    return exact_sum((pseudo[where] * np.log(confusion[:, where])).ravel())
