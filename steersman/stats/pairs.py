"""Agreement of each pair of raters on the units that both have rated, from one integer table per pair.

R ratings of units by raters on K levels 0..K-1; N pairs of raters that met. The tables of two parts of the ratings add
up to those of the whole as long as no unit is in both. One rating more is the tables of its unit after it less those
before: a few tables, which whoever counts live keeps, and adds up with the rest when figures are asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import FloatArray, IntArray, numbered, tallied
from steersman.stats.kappa import ONE_LEVEL, Coefficient, Weights, table_kappas
from steersman.stats.ratings import RATER_BOUND, Ratings, checked_ratings, meetings


@dataclass(frozen=True, slots=True, eq=False)
class PairTables:
    """Confusion tables (N, K, K) of pairs of raters (N, 2), the smaller id first and on the rows; sorted by the ids."""

    raters: IntArray
    tables: IntArray

    def __add__(self, other: "PairTables") -> "PairTables":
        """Return the tables of the ratings of both; raises ValueError when they differ in levels."""
        return sum_of_pairs([self, other])

    def __sub__(self, other: "PairTables") -> "PairTables":
        """Return the tables without the ratings of `other`; pairs that have no unit left are gone."""
        return sum_of_pairs([self, PairTables(other.raters, -other.tables)])


@dataclass(frozen=True, slots=True, eq=False)
class PairAgreement:
    """Kappa of each pair of raters (N, 2) over its `overlap` (N,), the units both rated; NaN where there is none.

    `too_few` counts the pairs whose overlap is below the minimum, `undefined` those whose kappa is 0/0. `mean` is that
    of the other pairs, weighted by overlap.
    """

    raters: IntArray
    overlap: IntArray
    kappas: FloatArray
    too_few: int
    undefined: int
    mean: Coefficient


def pair_tables(level: npt.ArrayLike, *, unit: npt.ArrayLike, rater: npt.ArrayLike, num_levels: int) -> PairTables:
    """Return the tables of ratings given by three vectors (R,), sorted by unit; raters are integers in 0..2^31-1.

    Memory grows with the pairs of raters that met, not with the square of the raters. Raises ValueError for units that
    are not sorted, a level outside 0..num_levels-1, and a rater who rated a unit twice.
    """
    ratings = checked_ratings(level, unit=unit, rater=rater, num_levels=num_levels)
    names, num_raters = ratings.rater_ids, max(1, ratings.rater_ids.size)
    shape = (num_raters, num_levels, num_raters, num_levels)
    bound = (num_raters * num_levels) ** 2
    codes, times = tallied(_cells(ratings, num_levels=num_levels), bound=bound, num_codes=ratings.unit.size)
    one, level_one, other, level_other = np.unravel_index(codes, shape)
    pairs = numbered(one * num_raters + other)
    tables = np.zeros((pairs.sizes.size, num_levels, num_levels), dtype=np.int64)
    tables[pairs.places, level_one, level_other] = times
    return PairTables(np.stack([names[one[pairs.first]], names[other[pairs.first]]], axis=1), tables)


def _cells(ratings: Ratings, *, num_levels: int) -> Iterator[IntArray]:
    """Yield, of two ratings that meet, the cell of their table, until every unordered pair has come once."""
    width = ratings.rater_ids.size * num_levels
    for first, second in meetings(ratings.unit):
        # a rater and a level in one integer: the smaller of two is that of the smaller rater
        one, other = (
            np.multiply(ratings.rater[here], num_levels, dtype=np.int64) + ratings.level[here]
            for here in (first, second)
        )
        yield np.minimum(one, other) * width + np.maximum(one, other)


def sum_of_pairs(parts: Sequence[PairTables]) -> PairTables:
    """Return the tables of all the ratings behind `parts`, at least one; pairs whose table is all zero are gone.

    Raises ValueError when the parts differ in levels.
    """
    if len({part.tables.shape[1] for part in parts}) != 1:
        raise ValueError("only tables of the same number of levels add up")
    raters = np.concatenate([part.raters for part in parts])
    pairs = numbered(raters[:, 0] * RATER_BOUND + raters[:, 1])
    tables = np.zeros((pairs.sizes.size, *parts[0].tables.shape[1:]), dtype=np.int64)
    start = 0
    for part in parts:
        # a pair comes once in a part
        tables[pairs.places[start : start + part.tables.shape[0]]] += part.tables
        start += part.tables.shape[0]
    is_left = tables.any(axis=(1, 2))
    return PairTables(raters[pairs.first[is_left]], tables[is_left])


def pair_agreement(tables: PairTables, *, weights: Weights, min_overlap: int) -> PairAgreement:
    """Return the weighted kappa of each pair of raters that has at least `min_overlap` units in common."""
    overlap = tables.tables.sum(axis=(1, 2))
    has_enough = overlap >= min_overlap
    kappas = np.full(overlap.size, np.nan)
    kappas[has_enough] = table_kappas(tables.tables[has_enough].astype(np.float64), weights=weights)
    is_defined = ~np.isnan(kappas)
    if is_defined.any():
        mean = Coefficient(float(np.average(kappas[is_defined], weights=overlap[is_defined])))
    else:
        reason = ONE_LEVEL if has_enough.any() else f"no two raters have {min_overlap} units in common"
        mean = Coefficient(None, reason)
    return PairAgreement(
        raters=tables.raters,
        overlap=overlap,
        kappas=kappas,
        too_few=int((~has_enough).sum()),
        undefined=int((has_enough & ~is_defined).sum()),
        mean=mean,
    )
