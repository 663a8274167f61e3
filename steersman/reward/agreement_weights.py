"""Weigh labels by how well their raters agree: the inverse of a label's estimated variance.

A label is the mean of n ratings with variance s^2, so its own variance is s^2 / n, and least squares are best with the
inverse as weight (Aitken 1936). Three ratings say little about s^2, and three equal ones would weigh infinitely. So s^2
is drawn towards the pooled variance s0^2 of the attribute, as if d0 further degrees of freedom had shown that (the
moderated variance of Smyth 2004):

    weight = c n / v,    v = (d0 s0^2 + (n - 1) s^2) / (d0 + n - 1)

c makes the mean weight of an attribute one. d0 = 4 is our choice: three equal ratings weigh 1.5 times what three
of the usual spread do.
Shapes: B responses, A attributes, N ratings of a response at most.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

FloatArray = npt.NDArray[np.float64]

PRIOR_DEGREES = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """How ratings spread: their sample variance (NaN where there are fewer than two) and their number, (B, A) each."""

    variances: FloatArray
    counts: FloatArray


def dispersion_of(ratings_BAN: FloatArray) -> Dispersion:
    """Return the dispersion of lists of ratings, as the disagreements table holds them, NaN where one is missing."""
    is_rated = ~np.isnan(ratings_BAN)
    counts = is_rated.sum(axis=2, dtype=np.float64)
    means = np.nan_to_num(ratings_BAN).sum(axis=2) / np.maximum(counts, 1)
    squares = np.where(is_rated, ratings_BAN - means[:, :, None], 0.0) ** 2
    variances = np.where(counts > 1, squares.sum(axis=2) / np.maximum(counts - 1, 1), np.nan)
    return Dispersion(variances, counts)


def agreement_weights(dispersion: Dispersion, *, prior_degrees: float = PRIOR_DEGREES) -> torch.Tensor:
    """Return the weights of labels, (B, A) float32; one where there are no ratings, and one in the mean of the others.

    Raises ValueError for shapes that differ, a negative variance or number, and prior degrees that are not above zero.
    """
    variances, counts = dispersion.variances, dispersion.counts
    if variances.shape != counts.shape or variances.ndim != 2:
        raise ValueError(f"variances and counts must have one shape (B, A), got {variances.shape} and {counts.shape}")
    if (variances < 0).any() or (counts < 0).any() or not prior_degrees > 0:
        raise ValueError("variances and counts must not be negative, and prior_degrees must be above zero")
    degrees = np.where(np.isnan(variances), 0.0, np.maximum(counts - 1, 0.0))
    squares = np.nan_to_num(variances) * degrees
    # where nobody differs, or nobody could, any pooled variance gives the same weights
    pooled_A = _ratio(squares.sum(axis=0), degrees.sum(axis=0), otherwise=1.0)
    pooled_A = np.where(pooled_A > 0, pooled_A, 1.0)
    precision = counts * (prior_degrees + degrees) / (prior_degrees * pooled_A + squares)
    is_rated = counts > 0
    mean_A = _ratio(precision.sum(axis=0), is_rated.sum(axis=0, dtype=np.float64), otherwise=1.0)
    return torch.from_numpy(np.where(is_rated, precision / mean_A, 1.0).astype(np.float32))


def _ratio(numerator: FloatArray, denominator: FloatArray, *, otherwise: float) -> FloatArray:
    has_any = denominator > 0
    found: FloatArray = np.where(has_any, numerator / np.where(has_any, denominator, 1), otherwise)
    return found
