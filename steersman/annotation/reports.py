"""What is said of each annotator beside the figures of cleaning: bias with its interval.

R ratings of S responses, P annotators, A attributes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Z95 = 1.959963984540054
_FEWEST_TASKS = 2
_PART = 100_000
# over tasks, of their responses rated and of the sum of distances from the others
_SUMS = ("sizes", "gaps", "tasks", "squared gaps", "products", "squared sizes")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval over `count` responses; `low` and `high` are None for fewer than two tasks."""

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """Ratings of responses, in order of `response`: `scores` (R, A) counts only where `given` (R, A).

    `annotator` (R,) and `response` (R,) are numbers, `task` (S,) is the task of a response and ascends; `is_trusted`
    (P,) says who may be compared with.
    """

    scores: npt.NDArray[np.int8]
    given: npt.NDArray[np.bool_]
    response: npt.NDArray[np.int64]
    annotator: npt.NDArray[np.int64]
    task: npt.NDArray[np.int64]
    is_trusted: npt.NDArray[np.bool_]


def biases(rated: Rated) -> list[list[Estimate | None]]:
    """Return by attribute and annotator how much higher their ratings are than those of the trusted others, in levels.

    The mean over responses that a trusted other rated too, with a normal interval from the sums of tasks: the responses
    of one task are not independent. None without such a response.
    """
    attributes, people = rated.scores.shape[1], rated.is_trusted.size
    sums = np.zeros((attributes, len(_SUMS), people))
    for part in _parts(rated):
        task = rated.task[rated.response[part]]
        clusters, cluster = np.unique(rated.annotator[part] * int(task[-1] + 1) + task, return_inverse=True)
        person = clusters // int(task[-1] + 1)
        for index in range(attributes):
            sums[index] += _sums(rated, part, index, cluster=cluster, person=person)
    return [[_estimate(*each) for each in zip(*of_attribute.tolist(), strict=True)] for of_attribute in sums]


def _parts(rated: Rated) -> Iterator[slice]:
    """Yield parts of the ratings that hold whole tasks, small enough to be looked at in little memory."""
    start, end = 0, rated.response.size
    while start < end:
        last = rated.response[min(start + _PART, end) - 1]
        after = int(np.searchsorted(rated.task, rated.task[last], side="right"))
        stop = int(np.searchsorted(rated.response, after))
        yield slice(start, stop)
        start = stop


def _sums(
    rated: Rated, part: slice, attribute: int, *, cluster: npt.NDArray[np.int64], person: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the _SUMS of each annotator over a part of the ratings, by annotator."""
    given, annotator = rated.given[part, attribute], rated.annotator[part]
    scores = np.where(given, rated.scores[part, attribute], 0).astype(np.float64)
    response = rated.response[part] - rated.response[part.start]
    counts = given & rated.is_trusted[annotator]
    number = np.bincount(response, weights=counts)[response] - counts
    total = np.bincount(response, weights=scores * counts)[response] - scores * counts
    met = given & (number > 0)
    gaps = np.bincount(cluster, weights=np.where(met, scores - total / np.maximum(number, 1), 0.0))
    sizes = np.bincount(cluster, weights=met)
    columns = (sizes, gaps, sizes > 0, gaps**2, gaps * sizes, sizes**2)
    return np.stack([np.bincount(person, weights=each, minlength=rated.is_trusted.size) for each in columns])


def _estimate(
    responses: float, gaps: float, tasks: float, gaps_squared: float, products: float, sizes_squared: float
) -> Estimate | None:
    if not responses:
        return None
    mean = gaps / responses
    if tasks < _FEWEST_TASKS:
        return Estimate(mean, None, None, int(responses))
    squares = max(0.0, gaps_squared - 2.0 * mean * products + mean**2 * sizes_squared)
    reach = _Z95 * math.sqrt(squares * tasks / (tasks - 1)) / responses
    return Estimate(mean, mean - reach, mean + reach, int(responses))
