"""What is said of each annotator beside the figures of cleaning: bias with its interval, and medians.

R ratings, P annotators, A attributes.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval over `count` responses; `low` and `high` are None for fewer than two tasks."""

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """Ratings of responses: `scores` (R, A) counts only where `given` (R, A).

    `response`, `task` and `annotator` (R,) are numbers; `is_trusted` (P,) says who may be compared with.
    """

    scores: npt.NDArray[np.int8]
    given: npt.NDArray[np.bool_]
    response: npt.NDArray[np.int64]
    task: npt.NDArray[np.int64]
    annotator: npt.NDArray[np.int64]
    is_trusted: npt.NDArray[np.bool_]


def biases(rated: Rated) -> list[list[Estimate | None]]:
    """Return by attribute and annotator how much higher their ratings are than those of the trusted others, in levels.

    The mean over responses that a trusted other rated too, with a normal interval from the sums of tasks: the responses
    of one task are not independent. None without such a response.
    """
    people = rated.is_trusted.size
    tasks = int(rated.task.max(initial=-1)) + 1
    # one number for each annotator and task
    clusters, cluster = np.unique(rated.annotator * max(1, tasks) + rated.task, return_inverse=True)
    person_of = clusters // max(1, tasks)
    return [_biases(rated, index, cluster, person_of, people) for index in range(rated.scores.shape[1])]


def _biases(
    rated: Rated,
    attribute: int,
    cluster: npt.NDArray[np.int64],
    person_of: npt.NDArray[np.int64],
    people: int,
) -> list[Estimate | None]:
    given = rated.given[:, attribute]
    scores = rated.scores[:, attribute].astype(np.float64)
    counts = given & rated.is_trusted[rated.annotator]
    number = np.bincount(rated.response, weights=counts)
    total = np.bincount(rated.response, weights=np.where(counts, scores, 0.0))
    others = number[rated.response] - counts
    met = given & (others > 0)
    gap = np.where(met, scores - (total[rated.response] - np.where(counts, scores, 0.0)) / np.maximum(others, 1), 0.0)
    sums = np.bincount(cluster, weights=gap, minlength=person_of.size)
    sizes = np.bincount(cluster, weights=met, minlength=person_of.size)
    responses = np.bincount(person_of, weights=sizes, minlength=people)
    means = np.bincount(person_of, weights=sums, minlength=people) / np.maximum(responses, 1)
    residuals = (sums - sizes * means[person_of]) ** 2
    tasks = np.bincount(person_of, weights=sizes > 0, minlength=people)
    squares = np.bincount(person_of, weights=residuals, minlength=people)
    found = zip(responses.tolist(), means.tolist(), tasks.tolist(), squares.tolist(), strict=True)
    return [_estimate(*each) for each in found]


def _estimate(responses: float, mean: float, tasks: float, squares: float) -> Estimate | None:
    if not responses:
        return None
    if tasks < 2:
        return Estimate(mean, None, None, int(responses))
    reach = _Z95 * math.sqrt(squares * tasks / (tasks - 1)) / responses
    return Estimate(mean, mean - reach, mean + reach, int(responses))
