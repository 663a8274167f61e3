"""Agreement of several raters on one ordered scale, computed from counts: kappa, alpha, bootstrap intervals.

U units, K levels, groups of units. A unit's counts (K,) say how many of its m ratings fell on each level. Its
coincidence table (K, K) holds every ordered pair of its ratings, each weighted 1 / (m - 1), so that a unit weighs as
much as it has ratings (Krippendorff, Content Analysis, chapter 11). Tables of units add up: agreement of the whole is
a function of the sum, whatever the order or the machine each part was counted on.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]

NO_PAIR = "no unit has two ratings"
ONE_LEVEL = "every rating is the same, so agreement by chance is already complete (0/0)"
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An agreement coefficient; `value` is None exactly where `reason` says why it is undefined."""

    value: float | None
    reason: str | None = None


def confusion_table(first: npt.ArrayLike, second: npt.ArrayLike, *, levels: int) -> FloatArray:
    """Return how often two raters chose each pair of levels, shape (levels, levels); rows are the first rater's."""
    one, other = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"two vectors of one length are needed, got {one.shape} and {other.shape}")
    cells = np.bincount(one * levels + other, minlength=levels * levels)
    return cells.reshape(levels, levels).astype(np.float64)


def coincidence_table(counts: IntArray) -> FloatArray:
    """Return the summed coincidence table (K, K) of units with counts (U, K); units with one rating add nothing."""
    cells = np.asarray(counts, dtype=np.float64)
    weighted = cells * _pair_weights(cells)[:, None]
    return weighted.T @ cells - np.diag(weighted.sum(axis=0))


def _pair_weights(counts: FloatArray) -> FloatArray:
    num_ratings = counts.sum(axis=1)
    return np.where(num_ratings >= 2, 1.0 / np.maximum(num_ratings - 1.0, 1.0), 0.0)


def quadratic_kappa(table: FloatArray) -> Coefficient:
    """Return Cohen's kappa with quadratic weights of a confusion or coincidence table.

    On a confusion table this is the kappa of two raters; on a coincidence table, which is symmetric, it is the kappa
    of all ordered pairs of ratings pooled. (Cohen 1968; weights (i - j)^2.)
    """
    kappa = float(_kappas(table[None])[0])
    return _undefined(table) if np.isnan(kappa) else Coefficient(kappa)


def _undefined(table: FloatArray) -> Coefficient:
    return Coefficient(None, ONE_LEVEL if table.sum() > 0 else NO_PAIR)


def _kappas(tables: FloatArray) -> FloatArray:
    levels = tables.shape[-1]
    weights = _differences("interval", np.zeros(levels))
    observed = np.einsum("rij,ij->r", tables, weights)
    expected = np.einsum("ri,rj,ij->r", tables.sum(axis=2), tables.sum(axis=1), weights, optimize=True)
    total = tables.sum(axis=(1, 2))
    is_defined = expected > 0
    disagreement = observed * total / np.where(is_defined, expected, 1.0)
    return np.where(is_defined, 1.0 - disagreement, np.nan)


def krippendorff_alpha(table: FloatArray, *, metric: Metric) -> Coefficient:
    """Return Krippendorff's alpha of a coincidence table; level k has the value k."""
    totals = table.sum(axis=1)
    differences = _differences(metric, totals)
    expected = float(totals @ differences @ totals)
    if expected <= 0:
        return _undefined(table)
    observed = float((table * differences).sum())
    return Coefficient(1.0 - (float(totals.sum()) - 1.0) * observed / expected)


def _differences(metric: Metric, totals: FloatArray) -> FloatArray:
    levels = np.arange(totals.size, dtype=np.float64)
    rows, columns = levels[:, None], levels[None, :]
    if metric == "nominal":
        return np.asarray(rows != columns, dtype=np.float64)
    if metric == "interval":
        return np.asarray((rows - columns) ** 2)
    if metric == "ratio":
        return np.asarray(((rows - columns) / np.maximum(rows + columns, 1.0)) ** 2)
    # ordinal: ratings on the levels from c to k, those on the two ends counted half
    middles = np.cumsum(totals) - totals / 2.0
    return np.asarray((middles[:, None] - middles[None, :]) ** 2)


def kappa_interval(
    counts: IntArray, *, unit_groups: IntArray, rng: np.random.Generator, rounds: int
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the pooled quadratic kappa over `rounds` resamples of whole groups.

    `counts` is (U, K) and `unit_groups` (U,) names the group of each unit. Units without ratings are left out, and
    resamples in which kappa is undefined are passed over; None for fewer than two groups or no defined resample.
    """
    is_rated = counts.sum(axis=1) > 0
    groups, numbered = np.unique(unit_groups[is_rated], return_inverse=True)
    if groups.size < 2:
        return None
    tables, sizes = _distinct_groups(counts[is_rated], numbered.astype(np.int64))
    kappas = _resampled_kappas(tables, sizes, rng=rng, rounds=rounds)
    defined = kappas[~np.isnan(kappas)]
    if defined.size == 0:
        return None
    low, high = np.quantile(defined, (0.025, 0.975))
    return float(low), float(high)


def _resampled_kappas(tables: FloatArray, sizes: IntArray, *, rng: np.random.Generator, rounds: int) -> FloatArray:
    # how often each distinct kind of group is drawn is multinomial: the cost does not grow with the number of groups
    kinds, levels = tables.shape[:2]
    groups = int(sizes.sum())
    flat = tables.reshape(kinds, levels * levels)
    step = max(1, _CHUNK_CELLS // kinds)
    parts = []
    for start in range(0, rounds, step):
        drawn = rng.multinomial(groups, sizes / groups, size=min(step, rounds - start))
        parts.append(_kappas((drawn @ flat).reshape(-1, levels, levels)))
    return np.concatenate(parts)


def _distinct_groups(counts: IntArray, unit_groups: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the coincidence table of each distinct kind of group, (N, K, K), and how many groups are of it, (N,)."""
    base = int(counts.max()) + 1
    codes = counts @ (base ** np.arange(counts.shape[1], dtype=np.int64))
    _, first_unit, unit_kinds = np.unique(codes, return_index=True, return_inverse=True)
    group_kinds = _group_kinds(unit_kinds.astype(np.int64), unit_groups)
    _, examples, sizes = np.unique(group_kinds, return_index=True, return_counts=True)

    unit_tables = np.stack([coincidence_table(counts[[unit]]) for unit in first_unit])
    example_places = np.full(group_kinds.size, -1, dtype=np.int64)
    example_places[examples] = np.arange(examples.size)
    in_example = example_places[unit_groups] >= 0
    tables = np.zeros((examples.size, *unit_tables.shape[1:]))
    np.add.at(tables, example_places[unit_groups[in_example]], unit_tables[unit_kinds[in_example]])
    return tables, sizes.astype(np.int64)


def _group_kinds(unit_kinds: IntArray, unit_groups: IntArray) -> IntArray:
    """Return one number per group, equal for groups whose units have the same kinds in any order."""
    order = np.lexsort((unit_kinds, unit_groups))
    kinds, groups = unit_kinds[order], unit_groups[order]
    group_sizes = np.bincount(groups)
    places = np.arange(groups.size) - np.repeat(np.cumsum(group_sizes) - group_sizes, group_sizes)
    keys = np.zeros(group_sizes.size, dtype=np.int64)
    for place in range(int(group_sizes.max())):
        here = places == place
        keys *= int(kinds.max()) + 2
        keys[groups[here]] += kinds[here] + 1
        keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return keys
