"""The standard error of a pooled kappa without resampling: the delta method over groups of units.

kappa = 1 - N O / E is a smooth function of sums over groups of units: of weighted pairs N, of their disagreement O, and
of the margins, from which E follows. Its gradient times one group's sums is the group's influence; influences of
independent groups add up to the error of kappa. (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 21.)
"""

import numpy as np
import numpy.typing as npt

from steersman.stats.arrays import FloatArray, IntArray, integer_array, numbered, numbered_rows
from steersman.stats.kappa import Weights, disagreements


def kappa_group_sd(counts: npt.ArrayLike, *, unit_groups: npt.ArrayLike, weights: Weights) -> float | None:
    """Return s such that s / sqrt(n) is the standard error of the pooled kappa of n groups of units like these.

    `counts` is (U, K) and `unit_groups` (U,) names the group of each unit; pairs weigh 1/(m-1), as by default in
    `pooled_kappa`. None for fewer than two groups or where kappa is 0/0. Groups without any pair count among the n.
    """
    cells, names = integer_array("counts", counts, axes=2), integer_array("unit_groups", unit_groups, axes=1)
    if names.size != cells.shape[0]:
        raise ValueError(f"each unit needs a group, got {cells.shape[0]} units and {names.size} groups")
    groups, kinds = numbered(names.astype(np.int64)), numbered_rows(cells)
    costs = disagreements(cells.shape[1], weights=weights)
    influence = _influence(cells[kinds.first].astype(np.float64), kinds.sizes, costs=costs)
    if groups.sizes.size < 2 or influence is None:
        return None
    of_groups = np.bincount(groups.places, weights=influence[kinds.places])
    number = of_groups.size
    return float(np.sqrt(number * number / (number - 1) * (of_groups**2).sum()))


def _influence(counts: FloatArray, times: IntArray, *, costs: FloatArray) -> FloatArray | None:
    """Return the change of kappa, to first order, that a unit of each kind makes, (N,); None where kappa is 0/0.

    `counts` (N, K) are those of the different kinds of units and `times` (N,) how often each occurs.
    """
    sizes = counts.sum(axis=1)
    has_pair = sizes >= 2
    ratings = np.where(has_pair, sizes, 0.0)
    disagreement = ((counts @ costs) * counts).sum(axis=1) / np.maximum(sizes - 1.0, 1.0) * has_pair
    pairs, observed, margin = times @ ratings, times @ disagreement, (times * has_pair) @ counts
    expected = float(margin @ costs @ margin)
    if expected <= 0:
        return None
    # the gradient of 1 - N O / E along N, O and E; E changes with the margins on both sides
    of_expected = pairs * observed / expected**2 * 2.0 * (counts @ costs @ margin) * has_pair
    return np.asarray(of_expected - (observed * ratings + pairs * disagreement) / expected)
