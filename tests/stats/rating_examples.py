"""Published ratings, and small random ones, for the tests of agreement."""

from collections.abc import Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from steersman.stats.arrays import IntArray
from steersman.stats.counts import CountTables

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): 12 units, 4 observers; `raw_4raters` of irrCAC.
FOUR_OBSERVERS = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]

# the example of Wikipedia's article on alpha: 15 units, 3 coders, two units without a rating
THREE_CODERS = [[1], [], [2, 2], [1, 1], [3, 3], [3, 3, 4], [4, 4, 4], [1, 3], [2, 2], [1, 1], [1, 1], [3, 3], [3, 3]]
THREE_CODERS += [[], [3, 4]]

# Gwet, Handbook of Inter-Rater Reliability (2014), 15 units, 5 observers, levels 0..3; `raw_5observers` of irrCAC
FIVE_OBSERVERS = [[1, 1, 2, 2], [1, 1, 0, 1], [2, 3, 3, 3], [0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 2, 1]]
FIVE_OBSERVERS += [[1, 2, 0], [2, 2, 2, 2], [2, 1, 1, 1], [1, 0, 0], [0, 0, 0, 0], [1, 2, 2, 2], [3, 3, 2, 2, 3]]
FIVE_OBSERVERS += [[1, 1, 1, 1]]

# Wikipedia's example of Fleiss' kappa: 10 units, 14 raters, counts of 5 levels
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]

# Shrout and Fleiss, Intraclass Correlations (1979), table 2: 6 targets, 4 judges
SIX_TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]

# a busy machine must not fail a test, and 40 examples of each of many coefficients are enough
FEW = settings(deadline=None, max_examples=40)
# a busy machine must not fail a test, and 40 examples for each of many coefficients are enough
FEW = settings(deadline=None, max_examples=40)
UNITS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=20)
# of each unit, the ratings of some of six raters
RATED_UNITS = st.lists(st.dictionaries(st.integers(0, 5), st.integers(0, 3), max_size=5), max_size=12)


def counts_of(units: Sequence[Sequence[int]], *, levels: int = 5) -> IntArray:
    """Return how many ratings of each unit fell on each level, (U, levels)."""
    return np.array([np.bincount(unit, minlength=levels) for unit in units], dtype=np.int64).reshape(-1, levels)


def vectors_of(units: Sequence[dict[int, int]], *, first: int = 0) -> dict[str, list[int]]:
    """Return level, unit and rater of each rating; units are numbered from `first`."""
    rows = [(level, first + unit, rater) for unit, found in enumerate(units) for rater, level in found.items()]
    return {name: [row[place] for row in rows] for place, name in enumerate(("level", "unit", "rater"))}


def assert_same_counts(one: CountTables, other: CountTables) -> None:
    for name in ("pairs", "totals", "units"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
