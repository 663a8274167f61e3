"""Bootstrap over groups of units for every coefficient of agreement: whole groups are drawn, their tables added up.

Units of one group depend on each other and are drawn together. Groups whose units have the same counts are of one
kind; how often each kind is drawn is multinomial, so the cost grows with the number of kinds and not of groups.

With at most 2,048 kinds the multinomial is drawn as it is. With more, the sums of the drawn groups are drawn from the
normal distribution that has their mean and covariance: so many kinds mean that at least as many groups differ, so that
the sums are normal by the central limit theorem and the ends of an interval move by less than their own noise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from steersman.stats.arrays import AnyInts, FloatArray, IntArray, Numbering, integer_array, numbered, numbered_rows
from steersman.stats.counts import TableStack

_MOST_KINDS = 2_048
_CHUNK_CELLS = 500_000


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """T kinds of groups.

    `sizes` (T,) says how many groups are of the kind, and `sums` (T, B * W) holds the sums over one group's units: for
    each of the B different numbers of ratings `blocks` (B,), W = K*K + K + 1 columns: pairs, totals, units.
    """

    sizes: IntArray
    sums: sparse.csr_array
    blocks: IntArray


def resample_groups(
    counts: npt.ArrayLike, *, unit_groups: npt.ArrayLike, rng: np.random.Generator, rounds: int
) -> TableStack:
    """Return the tables of `rounds` resamples of the groups, drawn with replacement; none for fewer than two groups.

    `counts` is (U, K) and `unit_groups` (U,) names the group of each unit; units without ratings are left out. The same
    generator gives the same resamples, whatever the order of units and the names of groups. One call serves any number
    of coefficients. Meant for scales of few levels: past 2,048 kinds the cost grows with the sixth power of K.
    """
    checked, groups = integer_array("counts", counts, axes=2), integer_array("unit_groups", unit_groups, axes=1)
    if groups.size != checked.shape[0]:
        raise ValueError(f"each unit needs a group, got {checked.shape[0]} units and {groups.size} groups")
    kinds = _kinds_of_groups(*_rated(checked, groups.astype(np.int64)))
    draw = _multinomial_sums if kinds.sizes.size <= _MOST_KINDS else _normal_sums
    sums = draw(kinds, rng=rng, rounds=rounds) if kinds.sizes.sum() > 1 else np.empty((0, kinds.sums.shape[1]))
    return _stack(sums, blocks=kinds.blocks, levels=checked.shape[1])


def percentile_interval(values: FloatArray) -> tuple[float, float] | None:
    """Return the ends of the 95 % percentile interval; NaNs are passed over, and None where nothing else is left."""
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return None
    low, high = np.quantile(defined, (0.025, 0.975))
    return float(low), float(high)


def _rated(counts: AnyInts, groups: IntArray) -> tuple[Numbering, IntArray, IntArray]:
    """Return the kinds of the units that have ratings, the counts of each kind (N, K), and the units' groups."""
    units = numbered_rows(counts)
    kinds = counts[units.first].astype(np.int64)
    is_rated = kinds.sum(axis=1) > 0
    if is_rated.all():
        return units, kinds, groups
    here = is_rated[units.places]
    return numbered(units.places[here]), kinds[is_rated], groups[here]


def _kinds_of_groups(units: Numbering, unit_kinds: IntArray, unit_groups: IntArray) -> _Kinds:
    groups = numbered(unit_groups)
    # a group's key is a sum of scrambled numbers, so the order of its units does not matter
    keys = np.zeros(groups.sizes.size, dtype=np.uint64)
    np.add.at(keys, groups.places, _scrambled(units.sizes.size)[units.places])
    _, examples, sizes = np.unique(keys, return_index=True, return_counts=True)
    row_of = np.full(keys.size, -1, dtype=np.int64)
    row_of[examples] = np.arange(examples.size)
    rows = row_of[groups.places]
    is_example = rows >= 0
    units_of_kind = sparse.csr_array(
        (np.ones(int(is_example.sum())), (rows[is_example], units.places[is_example])),
        shape=(examples.size, units.sizes.size),
    )
    sums, blocks = _unit_sums(unit_kinds)
    return _Kinds(sizes.astype(np.int64), units_of_kind @ sums, blocks)


def _scrambled(size: int) -> npt.NDArray[np.uint64]:
    """Return fixed 64-bit numbers whose sums are all but surely different: a million kinds of groups meet at 3e-8.

    (SplitMix64: Steele, Lea and Flood 2014.)
    """
    codes = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _unit_sums(kinds: IntArray) -> tuple[sparse.csr_array, IntArray]:
    """Return the flat sums (N, B * W) of units with counts `kinds` (N, K), and the numbers of ratings of the blocks."""
    num_kinds, levels = kinds.shape
    pairs = kinds[:, :, None] * kinds[:, None, :] - kinds[:, :, None] * np.eye(levels, dtype=np.int64)
    ones = np.ones((num_kinds, 1), dtype=np.int64)
    cells = np.concatenate([pairs.reshape(num_kinds, levels * levels), kinds, ones], axis=1)
    num_ratings = kinds.sum(axis=1)
    sizes = numbered(num_ratings)
    width = cells.shape[1]
    columns = sizes.places[:, None] * width + np.arange(width)
    shape = (num_kinds, sizes.sizes.size * width)
    starts = np.arange(num_kinds + 1) * width
    sums = sparse.csr_array((cells.ravel().astype(np.float64), columns.ravel(), starts), shape=shape)
    return sums, num_ratings[sizes.first]


def _multinomial_sums(kinds: _Kinds, *, rng: np.random.Generator, rounds: int) -> FloatArray:
    groups = int(kinds.sizes.sum())
    drawn = rng.multinomial(groups, kinds.sizes / groups, size=rounds)
    return np.asarray(drawn @ kinds.sums.toarray())


def _normal_sums(kinds: _Kinds, *, rng: np.random.Generator, rounds: int) -> FloatArray:
    groups, columns = int(kinds.sizes.sum()), kinds.sums.shape[1]
    mean = np.asarray(kinds.sizes @ kinds.sums)
    covariance = -np.outer(mean, mean) / groups
    step = max(1, _CHUNK_CELLS // columns)
    for start in range(0, kinds.sizes.size, step):
        part = kinds.sums[start : start + step].toarray()
        # einsum: a product this small is over before a second thread has begun, and is waited for on a busy machine
        covariance += np.einsum("ti,tj->ij", part * kinds.sizes[start : start + step, None], part)
    variances, axes = np.linalg.eigh(covariance)
    scales = axes * np.sqrt(np.maximum(variances, 0.0))
    return np.asarray(mean + rng.standard_normal((rounds, columns)) @ scales.T)


def _stack(sums: FloatArray, *, blocks: IntArray, levels: int) -> TableStack:
    """Return the flat sums (R, B * W) as tables, with zeros for numbers of ratings that do not occur."""
    rounds, most = sums.shape[0], int(blocks.max(initial=0))
    cells = sums.reshape(rounds, blocks.size, levels * levels + levels + 1)
    whole = np.zeros((rounds, most + 1, cells.shape[2]))
    whole[:, blocks] = cells
    pairs, totals, units = np.split(whole, (levels * levels, levels * levels + levels), axis=2)
    return TableStack(pairs.reshape(rounds, most + 1, levels, levels), totals, units[:, :, 0])
