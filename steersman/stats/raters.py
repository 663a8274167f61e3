"""What each rater's ratings look like beside those of the others on the same units, from integer tables per rater.

N raters, K levels 0..K-1, S different numbers of ratings that units have. The tables of two parts of the ratings add up
to those of the whole as long as no unit is in both; one rating more is the tables of its unit after it less those
before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import FloatArray, IntArray, numbered, numbered_rows, tallied
from steersman.stats.kappa import NO_PAIR, ONE_LEVEL, Coefficient, Weights, table_kappas
from steersman.stats.ratings import checked_ratings


@dataclass(frozen=True, slots=True, eq=False)
class RaterTables:
    """Tables of raters with the ids `raters` (N,) over units with m ratings, for each m in `sizes` (S,); both sorted.

    `pairs` (N, S, K, K): rows are the rater's own level, columns those of the other ratings of the unit. `totals`
    (N, S, K): the rater's ratings. Summed over raters they are the CountTables of the same ratings.
    """

    raters: IntArray
    sizes: IntArray
    pairs: IntArray
    totals: IntArray

    def __add__(self, other: "RaterTables") -> "RaterTables":
        """Return the tables of the ratings of both; raises ValueError when they differ in levels."""
        return sum_of_raters([self, other])

    def __sub__(self, other: "RaterTables") -> "RaterTables":
        """Return the tables without the ratings of `other`; raters that have no rating left are gone."""
        return sum_of_raters([self, RaterTables(other.raters, other.sizes, -other.pairs, -other.totals)])


@dataclass(frozen=True, slots=True)
class RaterFigures:
    """One rater: `ratings` in all, `units_met` of them on units that others rated too.

    `agreement` is the weighted kappa of own ratings against the others', each pair weighing 1/(m-1). `bias` is the mean
    of own rating minus mean of the others' on the units met, in levels; None without such a unit. `spread` is the
    standard deviation of own ratings in levels (divided by their number), and `commonest_share` the share of the level
    chosen most: 1 for constant answers.
    """

    rater: int
    ratings: int
    units_met: int
    agreement: Coefficient
    bias: float | None
    spread: float
    commonest_share: float


def rater_tables(level: npt.ArrayLike, *, unit: npt.ArrayLike, rater: npt.ArrayLike, num_levels: int) -> RaterTables:
    """Return the tables of ratings given by three vectors (R,), sorted by unit; raters are integers in 0..2^31-1.

    Raises ValueError for units not sorted, a level outside 0..num_levels-1, and a rater who rated a unit twice.
    """
    ratings = checked_ratings(level, unit=unit, rater=rater, num_levels=num_levels)
    codes = np.multiply(ratings.unit, num_levels, dtype=np.int64)
    codes += ratings.level
    counts = np.bincount(codes, minlength=ratings.num_units * num_levels).reshape(-1, num_levels)
    units = numbered_rows(counts)
    kinds = counts[units.first]
    sizes = numbered(kinds.sum(axis=1))
    # a rating is told by its rater, its level and the counts of its unit; equal ones are looked at once
    shape = (max(1, ratings.rater_ids.size), num_levels, max(1, kinds.shape[0]))
    np.multiply(ratings.rater, num_levels, out=codes)
    codes += ratings.level
    codes *= shape[2]
    codes += units.places[ratings.unit]
    equals, times = tallied([codes], bound=math.prod(shape), num_codes=codes.size)
    rater_of, level_of, kind_of = np.unravel_index(equals, shape)
    totals = np.zeros((ratings.rater_ids.size, sizes.sizes.size, num_levels), dtype=np.int64)
    pairs = np.zeros((*totals.shape, num_levels), dtype=np.int64)
    cells = (rater_of, sizes.places[kind_of], level_of)
    np.add.at(totals, cells, times)
    np.add.at(pairs, cells, kinds[kind_of] * times[:, None])
    # a rating does not meet itself
    np.einsum("nskk->nsk", pairs)[...] -= totals
    return RaterTables(ratings.rater_ids, kinds.sum(axis=1)[sizes.first], pairs, totals)


def sum_of_raters(parts: Sequence[RaterTables]) -> RaterTables:
    """Return the tables of all the ratings behind `parts`, at least one; raters whose tables are all zero are gone.

    Raises ValueError when the parts differ in levels.
    """
    if len({part.totals.shape[2] for part in parts}) != 1:
        raise ValueError("only tables of the same number of levels add up")
    raters = np.unique(np.concatenate([part.raters for part in parts]))
    sizes = np.unique(np.concatenate([part.sizes for part in parts]))
    totals = np.zeros((raters.size, sizes.size, parts[0].totals.shape[2]), dtype=np.int64)
    pairs = np.zeros((*totals.shape, totals.shape[2]), dtype=np.int64)
    for part in parts:
        cells = np.ix_(np.searchsorted(raters, part.raters), np.searchsorted(sizes, part.sizes))
        totals[cells] += part.totals
        pairs[cells] += part.pairs
    rows, columns = (np.flatnonzero(totals.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    left = np.ix_(rows, columns)
    return RaterTables(raters[rows], sizes[columns], pairs[left], totals[left])


def rater_figures(tables: RaterTables, *, weights: Weights) -> list[RaterFigures]:
    """Return the figures of each rater, in the order of the tables."""
    others = np.maximum(tables.sizes - 1.0, 1.0)
    own, met = tables.totals.sum(axis=1), tables.totals[:, tables.sizes >= 2].sum(axis=(1, 2))
    against = (tables.pairs / others[:, None, None]).sum(axis=1)
    kappas = table_kappas(against, weights=weights)
    spreads = level_spreads(own)
    places = np.arange(own.shape[1])
    gaps = (against * (places[:, None] - places[None, :])).sum(axis=(1, 2))
    ratings, biases = own.sum(axis=1), gaps / np.maximum(met, 1)
    columns = (tables.raters, ratings, met, kappas, biases, spreads, own.max(axis=1) / ratings)
    return [
        RaterFigures(
            rater=rater,
            ratings=number,
            units_met=units_met,
            agreement=_agreement(kappa, units_met=units_met),
            bias=bias if units_met else None,
            spread=spread,
            commonest_share=share,
        )
        # lists: to take single numbers out of arrays is slow, and there may be a million raters
        for rater, number, units_met, kappa, bias, spread, share in zip(
            *(each.tolist() for each in columns), strict=True
        )
    ]


def level_spreads(totals: IntArray) -> FloatArray:
    """Return the standard deviation, divided by their number, of ratings with `totals` (..., K), shape (...)."""
    places = np.arange(totals.shape[-1], dtype=np.float64)
    ratings = totals.sum(axis=-1)
    means = (totals @ places) / ratings
    return np.asarray(np.sqrt((totals * (places - means[..., None]) ** 2).sum(axis=-1) / ratings))


def _agreement(kappa: float, *, units_met: int) -> Coefficient:
    if not math.isnan(kappa):
        return Coefficient(kappa)
    return Coefficient(None, ONE_LEVEL if units_met else NO_PAIR)
