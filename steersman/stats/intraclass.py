"""Intraclass correlation from the tables of counts: how much of the variance of ratings lies between units.

One-way random effects, level k has the value k: raters differ from unit to unit, so their effects are part of the
noise. With MSB and MSW the mean squares between and within units, and k the mean number of ratings,

    ICC(1) = (MSB - MSW) / (MSB + (k - 1) MSW)      of a single rating
    ICC(k) = (MSB - MSW) / MSB                      of the mean of k ratings

Where units have m_i ratings, n units and N ratings in all, k = (N - sum(m_i^2) / N) / (n - 1), the mean that makes MSB
unbiased (Snedecor and Cochran, Statistical Methods, one-way classification with unequal numbers); with equal m it is m,
and the two are ICC(1,1) and ICC(1,k) of Shrout and Fleiss (1979). Units with one rating count.
"""

from dataclasses import dataclass

import numpy as np

from steersman.stats.arrays import FloatArray
from steersman.stats.counts import CountTables, TableStack, stacked
from steersman.stats.kappa import NO_PAIR, Coefficient, quotients

ONE_UNIT = "one unit alone has no others to differ from"
NO_VARIANCE = "every rating is the same, so there is no variance to share out (0/0)"
SAME_MEANS = "all units have the same mean, so there is no variance between them to divide by"

# sums of squares below this share of the squares they are differences of are rounding
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class _MeanSquares:
    between: FloatArray
    within: FloatArray
    mean_size: FloatArray


def intraclass_single(tables: CountTables) -> Coefficient:
    """Return ICC(1), the reliability of a single rating."""
    value = float(intraclass_singles(stacked(tables))[0])
    return Coefficient(None, _reason(tables)) if np.isnan(value) else Coefficient(value)


def intraclass_mean(tables: CountTables) -> Coefficient:
    """Return ICC(k), the reliability of the mean of a unit's ratings, for the mean number of ratings k."""
    value = float(intraclass_means(stacked(tables))[0])
    return Coefficient(None, _reason(tables)) if np.isnan(value) else Coefficient(value)


def intraclass_singles(stack: TableStack) -> FloatArray:
    """Return `intraclass_single` of each table of the stack, (R,); NaN where it is undefined."""
    squares = _mean_squares(stack)
    return quotients(squares.between - squares.within, squares.between + (squares.mean_size - 1.0) * squares.within)


def intraclass_means(stack: TableStack) -> FloatArray:
    """Return `intraclass_mean` of each table of the stack, (R,); NaN where it is undefined."""
    squares = _mean_squares(stack)
    return quotients(squares.between - squares.within, squares.between)


def _mean_squares(stack: TableStack) -> _MeanSquares:
    sizes = np.arange(1, stack.units.shape[1], dtype=np.float64)
    levels = np.arange(stack.totals.shape[2], dtype=np.float64)
    totals, of_size = stack.totals[:, 1:], stack.units[:, 1:]
    units, ratings = of_size.sum(axis=1), of_size @ sizes
    squares = (totals @ levels**2).sum(axis=1)
    # the square of a unit's sum is the products of its pairs and the squares of its ratings
    unit_squares = (levels @ stack.pairs[:, 1:] @ levels + totals @ levels**2) @ (1.0 / sizes)
    whole = quotients((totals @ levels).sum(axis=1) ** 2, ratings)
    between = _without_rounding(unit_squares - whole, squares)
    within = _without_rounding(squares - unit_squares, squares)
    return _MeanSquares(
        between=quotients(between, units - 1.0),
        within=quotients(within, ratings - units),
        mean_size=quotients(ratings - quotients(of_size @ sizes**2, ratings), units - 1.0),
    )


def _without_rounding(differences: FloatArray, squares: FloatArray) -> FloatArray:
    return np.where(differences > _ROUNDING * squares, differences, 0.0)


def _reason(tables: CountTables) -> str:
    if not tables.units[2:].any():
        return NO_PAIR
    if tables.units[1:].sum() < 2:
        return ONE_UNIT
    return SAME_MEANS if np.count_nonzero(tables.totals.sum(axis=0)) > 1 else NO_VARIANCE
