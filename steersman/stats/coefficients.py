"""Coefficients of agreement among any number of raters, each a function of the tables of counts.

Each comes twice: in the singular for one CountTables, with a reason where it is undefined; in the plural for a stack
of R tables, shape (R,), with NaN there. R tables of shape (M+1, K, K), (M+1, K) and (M+1,) for m = 0..M ratings.
"""

from typing import Literal

import numpy as np

from steersman.stats.arrays import FloatArray
from steersman.stats.counts import CountTables, TableStack, stacked
from steersman.stats.kappa import (
    NO_PAIR,
    ONE_LEVEL,
    Coefficient,
    Weights,
    disagreements,
    quotients,
    table_kappas,
)

# How much the pairs of a unit weigh: 1/(m-1) each, so that every rating weighs the same; or 1 each.
Pairing = Literal["by_rating", "by_pair"]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]


def pooled_kappa(tables: CountTables, *, weights: Weights, pairing: Pairing = "by_rating") -> Coefficient:
    """Return Cohen's weighted kappa of all ordered pairs of ratings of a unit, pooled over units.

    A pair weighs 1/(m-1), as in Krippendorff's alpha, or 1: then a unit with five ratings weighs 20 against the 6 of
    one with three, and units that got more raters because they were disputed pull the kappa down.
    """
    return _coefficient(pooled_kappas(stacked(tables), weights=weights, pairing=pairing), tables)


def krippendorff_alpha(tables: CountTables, *, metric: Metric) -> Coefficient:
    """Return Krippendorff's alpha; level k has the value k. (Content Analysis, chapter 11.)"""
    return _coefficient(krippendorff_alphas(stacked(tables), metric=metric), tables)


def fleiss_kappa(tables: CountTables) -> Coefficient:
    """Return Fleiss' kappa, generalised to unequal numbers of ratings as in Gwet's handbook (2014, chapter 2).

    Observed agreement is the mean over units with at least two ratings of the share of agreeing pairs; the share of a
    level is the mean over units with at least one rating of its share in the unit. With equal m: Fleiss (1971).
    """
    return _coefficient(fleiss_kappas(stacked(tables)), tables)


def gwet_coefficient(tables: CountTables, *, weights: Weights) -> Coefficient:
    """Return Gwet's AC1 (unweighted) or AC2 (linear, quadratic). (Gwet 2008; handbook 2014, chapters 4 and 5.)

    Units with one rating count towards the shares of levels, not towards observed agreement. All K levels of the scale
    count, used or not. It is 1, not undefined, where all ratings are the same.
    """
    return _coefficient(gwet_coefficients(stacked(tables), weights=weights), tables)


def pooled_kappas(stack: TableStack, *, weights: Weights, pairing: Pairing = "by_rating") -> FloatArray:
    """Return `pooled_kappa` of each table of the stack, (R,)."""
    return table_kappas(_pair_tables(stack, pairing=pairing), weights=weights)


def krippendorff_alphas(stack: TableStack, *, metric: Metric) -> FloatArray:
    """Return `krippendorff_alpha` of each table of the stack, (R,)."""
    pairs = _pair_tables(stack, pairing="by_rating")
    totals = pairs.sum(axis=2)
    differences = _differences(totals, metric=metric)
    observed = (pairs * differences).sum(axis=(1, 2))
    expected = np.einsum("ri,rij,rj->r", totals, differences, totals)
    return 1.0 - quotients((totals.sum(axis=1) - 1.0) * observed, expected)


def fleiss_kappas(stack: TableStack) -> FloatArray:
    """Return `fleiss_kappa` of each table of the stack, (R,)."""
    shares = _level_shares(stack)
    expected = (shares * (1.0 - shares)).sum(axis=1)
    return 1.0 - quotients(_observed_disagreement(stack, weights="unweighted"), expected)


def gwet_coefficients(stack: TableStack, *, weights: Weights) -> FloatArray:
    """Return `gwet_coefficient` of each table of the stack, (R,)."""
    levels = stack.totals.shape[2]
    costs = disagreements(levels, weights=weights)
    sum_of_weights = float((1.0 - costs / costs.max()).sum())
    shares = _level_shares(stack)
    by_chance = sum_of_weights / (levels * (levels - 1)) * (shares * (1.0 - shares)).sum(axis=1)
    return 1.0 - quotients(_observed_disagreement(stack, weights=weights) / costs.max(), 1.0 - by_chance)


def _coefficient(values: FloatArray, tables: CountTables) -> Coefficient:
    value = float(values[0])
    if not np.isnan(value):
        return Coefficient(value)
    return Coefficient(None, ONE_LEVEL if tables.units[2:].any() else NO_PAIR)


def _pair_tables(stack: TableStack, *, pairing: Pairing) -> FloatArray:
    """Return all pairs of ratings with their weights, (R, K, K)."""
    sizes = np.arange(stack.units.shape[1])
    weights = (sizes >= 2) / (np.maximum(sizes - 1.0, 1.0) if pairing == "by_rating" else 1.0)
    return np.asarray(np.tensordot(stack.pairs, weights, axes=(1, 0)))


def _differences(totals: FloatArray, *, metric: Metric) -> FloatArray:
    """Return the squared differences of Krippendorff's metrics, (R or 1, K, K)."""
    levels = np.arange(totals.shape[1], dtype=np.float64)
    if metric == "nominal":
        return disagreements(levels.size, weights="unweighted")[None]
    if metric == "interval":
        return disagreements(levels.size, weights="quadratic")[None]
    if metric == "ratio":
        squares = disagreements(levels.size, weights="quadratic")
        return np.asarray(squares / np.maximum(levels[:, None] + levels[None, :], 1.0) ** 2)[None]
    # ordinal: ratings on the levels from c to k, those on the two ends counted half
    middles = np.cumsum(totals, axis=1) - totals / 2.0
    return np.asarray((middles[:, :, None] - middles[:, None, :]) ** 2)


def _observed_disagreement(stack: TableStack, *, weights: Weights) -> FloatArray:
    """Return the mean, over units with at least two ratings, of the mean disagreement of their pairs, (R,)."""
    sizes = np.arange(stack.units.shape[1], dtype=np.float64)
    costs = disagreements(stack.totals.shape[2], weights=weights)
    of_units = (stack.pairs * costs).sum(axis=(2, 3)) / np.maximum(sizes * (sizes - 1.0), 1.0)
    return quotients(of_units[:, 2:].sum(axis=1), stack.units[:, 2:].sum(axis=1))


def _level_shares(stack: TableStack) -> FloatArray:
    """Return the mean share of each level in a unit, over units with at least one rating, (R, K)."""
    sizes = np.arange(1, stack.units.shape[1], dtype=np.float64)
    shares = (stack.totals[:, 1:] / sizes[:, None]).sum(axis=1)
    units = stack.units[:, 1:].sum(axis=1, keepdims=True)
    return quotients(shares, np.broadcast_to(units, shares.shape))
