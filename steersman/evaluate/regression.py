"""How close predicted labels are to the given ones: squared error beside a constant's, and rank correlation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from steersman.errors import DataError
from steersman.stats.bootstrap import Interval, bootstrap_mean


@dataclass(frozen=True, slots=True)
class RegressionFit:
    """Errors of predictions, in squared levels; `gain` is the constant's error less the model's.

    Intervals are over pairs of rows. `spearman` (-1 to 1) is None where labels or predictions are all equal.
    """

    mean_squared_error: Interval
    constant_mean_squared_error: Interval
    gain: Interval
    spearman: float | None


def regression_fit(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    *,
    constant: float,
    rng: np.random.Generator,
    rounds: int,
) -> RegressionFit:
    """Return how well `predictions` meet `labels`, both (rows,), beside predicting `constant` for every row.

    `constant` is the mean label of the training rows: what a model without any input would learn. Rows 2k and 2k+1
    are one unit of the intervals. Raises DataError for an odd number of rows or a prediction that is not finite.
    """
    given, predicted = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if given.ndim != 1 or given.shape != predicted.shape:
        raise ValueError(f"labels {given.shape} and predictions {predicted.shape} must be equal vectors")
    if given.size % 2 or not np.isfinite(predicted).all():
        raise DataError(f"{given.size} rows; an even number of rows with finite predictions is needed")
    errors = _pair_errors(given, predicted)
    constant_errors = _pair_errors(given, np.full_like(given, constant))
    return RegressionFit(
        mean_squared_error=bootstrap_mean(errors, rng=rng, rounds=rounds),
        constant_mean_squared_error=bootstrap_mean(constant_errors, rng=rng, rounds=rounds),
        gain=bootstrap_mean(constant_errors - errors, rng=rng, rounds=rounds),
        spearman=spearman(given, predicted),
    )


def error_gain(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    *,
    constant: float,
    rng: np.random.Generator,
    rounds: int,
) -> Interval:
    """Return the squared error of predicting `constant` less that of `predictions`, both (pairs, 2), over pairs.

    An interval around zero tells of a model that cannot be told from the constant.
    """
    given, predicted = np.asarray(labels, dtype=np.float64).ravel(), np.asarray(predictions, dtype=np.float64).ravel()
    gains = _pair_errors(given, np.full_like(given, constant)) - _pair_errors(given, predicted)
    return bootstrap_mean(gains, rng=rng, rounds=rounds)


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Return Spearman's rank correlation of two vectors, ties at their mean rank; None where one is constant."""
    first_ranks, second_ranks = _centred_ranks(first), _centred_ranks(second)
    scale = float(np.sqrt(first_ranks @ first_ranks) * np.sqrt(second_ranks @ second_ranks))
    return float(first_ranks @ second_ranks) / scale if scale > 0 else None


def _pair_errors(labels: npt.NDArray[np.float64], predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean squared error of each pair of rows, shape (pairs,)."""
    errors: npt.NDArray[np.float64] = ((labels - predictions) ** 2).reshape(-1, 2).mean(axis=1)
    return errors


def _centred_ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    ranks: npt.NDArray[np.float64] = rankdata(np.asarray(values, dtype=np.float64))
    ranks -= ranks.mean()
    return ranks
