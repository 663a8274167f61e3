"""A project that is only planned: a modelled crowd rates responses that nobody wrote, and what its labels are worth.

docs/planning.md states every formula. T tasks of two responses, M annotators a task at most, A = 5 attributes,
S = 2 T responses.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.annotation.crowd import crowd_scores, draw_crowd
from steersman.annotation.quality import RESPONSES_PER_TASK, Quality, draw_latent, rounded
from steersman.config.planning import DesignSettings
from steersman.config.sections import CrowdSettings
from steersman.records import ATTRIBUTES

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class SimulatedProject:
    """Ratings of one simulated project, more than any design asks for.

    `latent` (T, 2, A) is what the responses are worth, `annotators` (T, M) who rates a task, in order of submission and
    all different, and `scores` (T, 2, M, A) what they give.
    """

    latent: FloatArray
    annotators: IntArray
    scores: IntArray


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """How far labels are from latent values, each (A,).

    The mean absolute and root mean square error are in levels; `off_by_one` is the share of labels that are one level
    or more from the rounded latent value.
    """

    mean_absolute: FloatArray
    rmse: FloatArray
    off_by_one: FloatArray


@dataclass(frozen=True, slots=True)
class OrderShares:
    """Shares of pairs whose labels put the better response first, second, or level with the other; they sum to 1."""

    right: float
    wrong: float
    tied: float


def simulate_project(
    quality: Quality, *, crowd: CrowdSettings, num_tasks: int, raters: int, rng: np.random.Generator
) -> SimulatedProject:
    """Return a project with new responses and a new crowd, in which every task has `raters` annotators."""
    people = draw_crowd(crowd, rng=rng)
    latent = draw_latent(quality, num_tasks=num_tasks, rng=rng)
    annotators = distinct_annotators(num_tasks, raters=raters, annotators=crowd.annotators, rng=rng)
    is_unread = rng.random((num_tasks, RESPONSES_PER_TASK, raters)) < crowd.careless_share
    scores = crowd_scores(
        latent[:, :, None, :], annotators, people=people, is_unread=is_unread, noise_sd=crowd.noise_sd, rng=rng
    )
    return SimulatedProject(latent, annotators, scores)


def distinct_annotators(num_tasks: int, *, raters: int, annotators: int, rng: np.random.Generator) -> IntArray:
    """Return `raters` different numbers below `annotators` for each task, (T, raters), every choice as likely.

    Raises ValueError when there are fewer annotators than that.
    """
    if annotators < raters:
        raise ValueError(f"{raters} different annotators cannot be chosen among {annotators}")
    chosen = np.empty((num_tasks, raters), dtype=np.int64)
    for place in range(raters):
        # a number among those not yet taken: step over each that is, the smallest first
        drawn = rng.integers(0, annotators - place, size=num_tasks)
        for taken in np.sort(chosen[:, :place], axis=1).T:
            drawn += drawn >= taken
        chosen[:, place] = drawn
    return chosen


def raters_needed(scores: IntArray, *, design: DesignSettings) -> IntArray:
    """Return how many annotators each task gets, (T,), given `scores` (T, 2, M, A) in order of submission.

    The need grows as in `steersman.annotation.escalation`: when the first helpfulness ratings of either response differ
    by more than `design.max_spread`.
    """
    first = scores[:, :, : design.first, _HELPFULNESS]
    is_disputed = (np.ptp(first, axis=2) > design.max_spread).any(axis=1)
    return np.where(is_disputed, design.most, design.first)


def label_errors(labels: IntArray, *, latent: FloatArray) -> LabelErrors:
    """Return the errors of `labels` (S, A) of responses worth `latent` (S, A); NaN where there is no response."""
    if labels.shape[0] == 0:
        nothing = np.full(labels.shape[1], np.nan)
        return LabelErrors(nothing, nothing, nothing)
    errors = labels - latent
    return LabelErrors(
        mean_absolute=np.abs(errors).mean(axis=0),
        rmse=np.sqrt((errors**2).mean(axis=0)),
        off_by_one=(labels != rounded(latent)).mean(axis=0),
    )


def order_shares(labels: IntArray, *, latent: FloatArray) -> OrderShares:
    """Return how `labels` (T, 2) order the responses of tasks, which `latent` (T, 2) orders; NaN where there are none.

    Latent values are never equal: they are drawn from a continuous distribution.
    """
    if labels.shape[0] == 0:
        return OrderShares(np.nan, np.nan, np.nan)
    agrees = np.sign(labels[:, 1] - labels[:, 0]) * np.sign(latent[:, 1] - latent[:, 0])
    return OrderShares(float((agrees > 0).mean()), float((agrees < 0).mean()), float((agrees == 0).mean()))


def compared_designs(asked: DesignSettings) -> tuple[DesignSettings, ...]:
    """Return the design that is asked for, in its place among the three of HelpSteer2: always 3, 3 -> 5, always 5."""
    usual = [DesignSettings(first=3, most=3), DesignSettings(first=3, most=5), DesignSettings(first=5, most=5)]
    if any(design_name(asked) == design_name(each) for each in usual):
        usual = [each for each in usual if design_name(each) != design_name(asked)]
    return tuple(sorted([*usual, asked], key=lambda each: (each.first, each.most, -each.max_spread)))


def design_name(design: DesignSettings) -> str:
    """Return a design in words; the spread is named where it is not HelpSteer2's."""
    if design.most == design.first:
        return f"always {design.first}"
    usual = DesignSettings().max_spread
    rule = "" if design.max_spread == usual else f" above {design.max_spread}"
    return f"{design.first} -> {design.most}{rule}"
