"""How far each rater leans, how much of the scale they use, how noisy they are, and the true value of each unit.

    level = centre + bias_p + scale_p * (truth_u - centre) + N(0, noise_p^2),  truth_u ~ N(mean, spread^2)

`centre` is the mean of all ratings, so that `bias_p` is what rater p adds to a usual unit. The truths are integrated
out and everything else is fitted by expectation-maximisation with closed-form steps: a factor analysis with one factor
and mostly missing data (Rubin and Thayer, EM Algorithms for ML Factor Analysis, Psychometrika 47, 1982). The priors:

    bias_p ~ N(0, bias_sd^2),  scale_p ~ N(1, scale_sd^2), never negative     ridge penalties: few ratings say little
    noise_p as if `noise_ratings` more ratings had missed by the usual difference between ratings of one unit

Shifting all truths against the biases, or stretching them against the scales, leaves the ratings as likely; each
iteration ends where the penalties are least, so that, weighted by scale, biases have a mean of 0 and scales of 1. The
weights matter: a rater who answers at random has a scale near 0, and with equal weights one such rater in seven would
press all truths together by a seventh.

Truths are drawn towards their mean, more so where ratings are few or noisy. That makes their squared error smallest,
and unlike joint estimates of truth and noise it cannot end in one rater without noise whom every truth follows (Neyman
and Scott, Econometrica 16, 1948).

U units, P raters, K levels. The result is the same to the last bit in whatever order ratings, units or raters come:
all sums over them are exact (steersman.stats.votes).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.votes import FloatArray, Votes, count_votes, exact_sum, summable

# what rounding to whole levels alone adds to the variance of a rating
_LEAST_VARIANCE = 1.0 / 12.0


@dataclass(frozen=True, slots=True)
class RaterBiasRules:
    """The priors, in levels and in ratings, and when to stop.

    The fit stops when an iteration gains at most `tolerance` in log-likelihood per rating, or after `max_iterations`.
    A very large `noise_ratings` makes all raters equally noisy, so that they weigh alike.
    """

    bias_sd: float = 0.5
    scale_sd: float = 0.5
    noise_ratings: float = 3.0
    tolerance: float = 1e-6
    max_iterations: int = 100

    def __post_init__(self) -> None:
        """Raise ValueError for a number out of its range."""
        if min(self.bias_sd, self.scale_sd, self.noise_ratings) <= 0 or self.tolerance < 0 or self.max_iterations < 1:
            raise ValueError(f"numbers out of range, see the docstring: {self}")


@dataclass(frozen=True, slots=True)
class RaterBiasFit:
    """Estimates, and the course of the fit.

    `truth` (U,) is on the scale of the levels but not held within it, `truth_sd` (U,) its standard deviation given the
    ratings; `bias`, `scale` and `noise` (a standard deviation) are (P,).
    `objective` has the log-likelihood and log-priors, up to a constant, before the fit and after each iteration; it
    never falls but for rounding. `converged` says which of the two limits ended the fit.
    """

    truth: FloatArray
    truth_sd: FloatArray
    bias: FloatArray
    scale: FloatArray
    noise: FloatArray
    centre: float
    objective: FloatArray
    converged: bool


@dataclass(frozen=True, slots=True)
class _Data:
    """The votes, the `values` (K,) of the levels less the centre, and what variances of noise are drawn towards."""

    votes: Votes
    centre: float
    values: FloatArray
    usual_variance: float


@dataclass(frozen=True, slots=True)
class _Model:
    """What is estimated: three numbers for each rater, (P,), and the distribution of the truths less the centre."""

    bias: FloatArray
    scale: FloatArray
    variance: FloatArray
    truth_mean: float
    truth_variance: float


@dataclass(frozen=True, slots=True)
class _Truths:
    """The truths less the centre given the ratings: their `means` (U,) and `variances` (U,)."""

    means: FloatArray
    variances: FloatArray


DEFAULTS = RaterBiasRules()


def fit_rater_bias(
    level: npt.ArrayLike,
    *,
    unit: npt.ArrayLike,
    rater: npt.ArrayLike,
    num_levels: int,
    rules: RaterBiasRules = DEFAULTS,
) -> RaterBiasFit:
    """Fit the model to R ratings, given by `level`, `unit` and `rater`, each (R,); `unit` ascends.

    Raises ValueError as `count_votes` does.
    """
    data = _prepared(count_votes(level, unit=unit, rater=rater, num_levels=num_levels))
    model = _start(data)
    truths, objective = _expected(data, model, rules=rules)
    course = [objective]
    converged = False
    while len(course) <= rules.max_iterations and not converged:
        model = _maximised(data, model, truths, rules=rules)
        truths, objective = _expected(data, model, rules=rules)
        course.append(objective)
        converged = course[-1] - course[-2] <= rules.tolerance * int(data.votes.per_unit.sum())
    return RaterBiasFit(
        truth=data.centre + truths.means,
        truth_sd=np.sqrt(truths.variances),
        bias=model.bias,
        scale=model.scale,
        noise=np.sqrt(model.variance),
        centre=data.centre,
        objective=np.array(course),
        converged=converged,
    )


def _prepared(votes: Votes) -> _Data:
    levels = np.arange(votes.per_kind.shape[1], dtype=np.float64)
    per_level, ratings, units = votes.per_kind.sum(axis=0), int(votes.per_unit.sum()), votes.per_unit.size
    centre = float(per_level @ levels) / ratings
    total = float(per_level @ levels**2)
    of_unit = votes.sums_per_unit(np.broadcast_to(levels[:, None], (*votes.per_kind.shape, 1)))[:, 0]
    within = total - exact_sum(of_unit**2 / votes.per_unit)
    # where every unit has one rating nothing tells noise from truth: half of the variance each
    variance = within / (ratings - units) if ratings > units else (total / ratings - centre**2) / 2.0
    return _Data(votes, centre=centre, values=levels - centre, usual_variance=max(variance, _LEAST_VARIANCE))


def _start(data: _Data) -> _Model:
    raters = data.votes.per_kind.shape[0]
    per_level = data.votes.per_kind.sum(axis=0)
    variance = float(per_level @ data.values**2) / int(per_level.sum())
    return _Model(
        bias=np.zeros(raters),
        scale=np.ones(raters),
        variance=np.full(raters, data.usual_variance),
        truth_mean=0.0,
        truth_variance=max(variance - data.usual_variance, _LEAST_VARIANCE),
    )


def _expected(data: _Data, model: _Model, *, rules: RaterBiasRules) -> tuple[_Truths, float]:
    """Return the truths given the ratings, and the objective that the model reaches."""
    votes = data.votes
    missed = data.values - model.bias[:, None]
    weight = np.broadcast_to((model.scale**2 / model.variance)[:, None], missed.shape)
    pull = (model.scale / model.variance)[:, None] * missed
    terms = votes.most_of_a_unit
    sums = votes.sums_per_unit(np.stack([_summable(weight, terms), _summable(pull, terms)], axis=2))
    precision = 1.0 / model.truth_variance + sums[:, 0]
    means = (model.truth_mean / model.truth_variance + sums[:, 1]) / precision

    of_ratings = np.log(2.0 * np.pi * model.variance)[:, None] + missed**2 / model.variance[:, None]
    of_units = np.log(precision * model.truth_variance) - precision * means**2
    ends = votes.per_unit.size * model.truth_mean**2 / model.truth_variance
    deviance = exact_sum((votes.per_kind * of_ratings).ravel()) + exact_sum(of_units) + ends
    return _Truths(means, 1.0 / precision), -deviance / 2.0 + _log_prior(data, model, rules=rules)


def _log_prior(data: _Data, model: _Model, *, rules: RaterBiasRules) -> float:
    penalties = (model.bias / rules.bias_sd) ** 2 + ((model.scale - 1.0) / rules.scale_sd) ** 2
    noise = rules.noise_ratings * (np.log(model.variance) + data.usual_variance / model.variance)
    return -exact_sum(penalties + noise) / 2.0


def _maximised(data: _Data, model: _Model, truths: _Truths, *, rules: RaterBiasRules) -> _Model:
    """Return the most likely model where the truths are as expected: biases and scales first, then the noise."""
    votes = data.votes
    squares = truths.means**2 + truths.variances
    terms = votes.most_of_a_kind
    found = votes.sums_per_kind(np.stack([_summable(truths.means, terms), _summable(squares, terms)], axis=1))
    rating, rating_squared = votes.per_kind @ data.values, votes.per_kind @ data.values**2
    truth, product, truth_squared = found[:, :, 0].sum(axis=1), found[:, :, 0] @ data.values, found[:, :, 1].sum(axis=1)
    ratings = votes.per_kind.sum(axis=1).astype(np.float64)

    # each rater's bias and scale solve two equations of ridge regression, [[a, c], [c, d]] (bias, scale) = (e, f)
    a = ratings / model.variance + rules.bias_sd**-2
    c = truth / model.variance
    d = truth_squared / model.variance + rules.scale_sd**-2
    e, f = rating / model.variance, product / model.variance + rules.scale_sd**-2
    scale = np.maximum((a * f - c * e) / (a * d - c * c), 0.0)
    bias = (e - c * scale) / a
    missed = rating_squared - 2.0 * (bias * rating + scale * product - bias * scale * truth)
    missed += bias**2 * ratings + scale**2 * truth_squared
    variance = (missed + rules.noise_ratings * data.usual_variance) / (ratings + rules.noise_ratings)
    mean = exact_sum(truths.means) / truths.means.size
    return _identified(
        _Model(
            bias=bias,
            scale=scale,
            variance=np.maximum(variance, _LEAST_VARIANCE),
            truth_mean=mean,
            truth_variance=exact_sum((truths.means - mean) ** 2 + truths.variances) / truths.means.size,
        )
    )


def _identified(model: _Model) -> _Model:
    """Return the model with truths shifted and stretched to where the penalties are least; all ratings stay as likely.

    With truth' = stretch * (truth + shift) go bias' = bias - scale * shift and scale' = scale / stretch.
    """
    squares = exact_sum(model.scale**2)
    shift, stretch = exact_sum(model.scale * model.bias) / squares, squares / exact_sum(model.scale)
    return _Model(
        bias=model.bias - model.scale * shift,
        scale=model.scale / stretch,
        variance=model.variance,
        truth_mean=stretch * (model.truth_mean + shift),
        truth_variance=stretch**2 * model.truth_variance,
    )


def _summable(values: FloatArray, terms: int) -> FloatArray:
    return summable(values, largest=float(np.abs(values).max()), terms=terms)
