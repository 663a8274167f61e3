"""Which tasks annotators differ on, and on which of them cleaning would decide against.

S responses, T tasks.
"""

from dataclasses import dataclass

import numpy as np

from steersman.dataset.cleaning import Stages, level_spreads
from steersman.dataset.grid import IntArray, RatingGrid, level_counts
from steersman.records import ATTRIBUTES

_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True, eq=False)
class Disputes:
    """By task: `spread` (T,) is the largest difference of helpfulness on one response; `reasons` as in Stages."""

    spread: IntArray
    reasons: tuple[str | None, ...]


def task_disputes(grid: RatingGrid, stages: Stages) -> Disputes:
    """Return how far the counted helpfulness ratings of each task lie apart, before any are chosen."""
    spreads = level_spreads(level_counts(grid, used=stages.all, attribute=_HELPFULNESS))
    largest = np.zeros(grid.num_tasks, dtype=np.int64)
    np.maximum.at(largest, grid.task, spreads)
    return Disputes(largest, stages.task_reasons)


def helpfulness_in_order(grid: RatingGrid, response: int) -> tuple[int, ...]:
    """Return the helpfulness ratings of a response in order of submission."""
    start, end = np.searchsorted(grid.response, (response, response + 1))
    places = np.arange(start, end)[np.argsort(grid.rank[start:end])]
    return tuple(grid.scores[places[grid.given[places, _HELPFULNESS]], _HELPFULNESS].tolist())
