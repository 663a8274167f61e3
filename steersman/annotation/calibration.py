"""Fit the crowd to a pilot: its noise such that simulated annotators agree as much as the pilot's, and its leanings.

Two figures of helpfulness are matched, both on the first ratings only, which no selection has touched: the pooled
quadratic kappa, which falls with the noise, and `leaning_variance`, which grows with the leanings of annotators. Each
is simulated with the same random numbers for every candidate, so that it moves with the candidate alone, and the
candidate is found between two ends by Brent's method, which halves the interval where nothing better is safe.

R ratings, T tasks, A = 5 attributes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from steersman.annotation.planning import SimulatedProject, simulate_project
from steersman.annotation.quality import RESPONSES_PER_TASK, Quality
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.arrays import numbered
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import CountTables, count_tables

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FIRST_RATINGS = 3
FEWEST_TASKS = 30
MOST_NOISE, MOST_LEANING = 4.0, 2.0
# simulated pilots have about so many tasks together, and never fewer crowds than this
_TASKS, _FEWEST_CROWDS = 8_000, 8
_MOST_TASKS = 1_000
_TOLERANCE = 2e-3
_FEWEST_PRODUCTS, _FEWEST_LEANING = 40, 5
_ROUNDS = 3
_HELPFULNESS = ATTRIBUTES.index("helpfulness")


@dataclass(frozen=True, slots=True)
class FirstRatings:
    """The first ratings of one attribute: pooled quadratic kappa, mean and standard deviation of single ratings."""

    kappa: float | None
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class PilotFigures:
    """What a pilot says about its annotators, on helpfulness and the first three ratings.

    `kappa_interval` is the 95 % interval of `kappa`; `leaning_variance` is None where it cannot be known.
    """

    tasks: int
    annotators: int
    kappa: float
    kappa_interval: tuple[float, float]
    leaning_variance: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """The crowd that agrees as the pilot's did.

    `noise_interval` are the noises at the ends of the interval of the pilot's kappa, None for an end no noise reaches.
    `first` is what the fitted crowd comes to by attribute. `is_leaning_fitted` is false where the leanings could not be
    seen in the pilot and are those asked for.
    """

    crowd: CrowdSettings
    noise_interval: tuple[float | None, float | None]
    first: tuple[FirstRatings, ...]
    is_leaning_fitted: bool


def calibrate(pilot: PilotFigures, *, crowd: CrowdSettings, quality: Quality, seed: int) -> Calibration:
    """Return `crowd` with the noise, and where it can be seen the leanings, that make it agree as the pilot did.

    Simulated are pilots of the same size, each with annotators of its own. Raises DataError when the pilot has too few
    tasks or when no noise makes such a crowd agree as much, or as little.
    """
    if pilot.tasks < FEWEST_TASKS:
        raise DataError(
            f"the pilot has {pilot.tasks} tasks with two ratings of helpfulness, too few to tell noise from chance; "
            f"rate at least {FEWEST_TASKS}"
        )
    trial = _Trial(crowd, quality, min(pilot.tasks, _MOST_TASKS), max(pilot.annotators, FIRST_RATINGS), seed)
    leaning, noise = crowd.bias_sd, _fit_noise(pilot.kappa, trial=trial, leaning=crowd.bias_sd)
    wanted = pilot.leaning_variance
    for _ in range(_ROUNDS if wanted is not None else 0):
        leaning = _fit_leaning(wanted or 0.0, trial=trial, noise=noise)
        noise = _fit_noise(pilot.kappa, trial=trial, leaning=leaning)
    # the more noise, the less agreement
    low, high = (_noise_or_none(kappa, trial=trial, leaning=leaning) for kappa in reversed(pilot.kappa_interval))
    fitted = crowd.model_copy(update={"noise_sd": round(noise, 3), "bias_sd": round(leaning, 3)})
    first = tuple(first_ratings(each) for each in trial.tables(noise=noise, leaning=leaning))
    return Calibration(fitted, (low, high), first, is_leaning_fitted=wanted is not None)


def first_ratings(tables: CountTables) -> FirstRatings:
    """Return the figures of the units in `tables`, which have one rating at least."""
    shares = tables.totals.sum(axis=0) / tables.totals.sum()
    levels = np.arange(shares.size)
    mean = float(shares @ levels)
    sd = float(np.sqrt(shares @ (levels - mean) ** 2))
    return FirstRatings(pooled_kappa(tables, weights="quadratic").value, mean, sd)


def leaning_variance(scores: IntArray, *, response: IntArray, task: IntArray, annotator: IntArray) -> float | None:
    """Return how far a usual annotator is from the others in one direction, as a variance in squared levels.

    It is the median over annotators of the mean product of their deviations on two different tasks, a deviation being
    own less the others' mean score of the response: what is the annotator's stays, what is the rating's averages out.
    The median, because one annotator who gives 0 to everything would decide a mean. All arguments are (R,). None for
    fewer than five annotators with 40 such products each.
    """
    number = np.bincount(response)[response]
    is_met = number > 1
    total = np.bincount(response, weights=scores)[response]
    deviation = scores[is_met] - (total - scores)[is_met] / (number[is_met] - 1)
    # sums over one annotator's responses of one task, whose products with themselves do not count
    num_tasks = int(task.max(initial=0)) + 1
    blocks = numbered(annotator[is_met] * num_tasks + task[is_met])
    person = annotator[is_met][blocks.first]
    sums, sizes = np.bincount(blocks.places, weights=deviation), blocks.sizes
    products = np.bincount(person, weights=sums) ** 2 - np.bincount(person, weights=sums**2)
    pairs = np.bincount(person, weights=sizes) ** 2 - np.bincount(person, weights=sizes**2)
    is_known = pairs >= _FEWEST_PRODUCTS
    if is_known.sum() < _FEWEST_LEANING:
        return None
    return float(np.median(products[is_known] / pairs[is_known]))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Simulated pilots, the same but for noise and leaning."""

    crowd: CrowdSettings
    quality: Quality
    tasks: int
    annotators: int
    seed: int

    def projects(self, *, noise: float, leaning: float) -> list[SimulatedProject]:
        changes = {"noise_sd": noise, "bias_sd": leaning, "annotators": self.annotators}
        crowd = self.crowd.model_copy(update=changes)
        return [
            simulate_project(
                self.quality,
                crowd=crowd,
                num_tasks=self.tasks,
                raters=FIRST_RATINGS,
                rng=np.random.default_rng([self.seed, number]),
            )
            for number in range(max(_FEWEST_CROWDS, _TASKS // self.tasks))
        ]

    def tables(self, *, noise: float, leaning: float) -> list[CountTables]:
        """Return the tables of all crowds together, by attribute."""
        scores = np.concatenate([each.scores for each in self.projects(noise=noise, leaning=leaning)])
        scores = scores.reshape(-1, FIRST_RATINGS, len(ATTRIBUTES))
        levels = np.arange(NUM_LEVELS)
        return [count_tables((scores[:, :, index, None] == levels).sum(axis=1)) for index in range(len(ATTRIBUTES))]

    def kappa(self, *, noise: float, leaning: float) -> float:
        table = self.tables(noise=noise, leaning=leaning)[_HELPFULNESS]
        return pooled_kappa(table, weights="quadratic").value or 0.0

    def variance(self, *, noise: float, leaning: float) -> float:
        found = [_variance_of(each) for each in self.projects(noise=noise, leaning=leaning)]
        return float(np.mean([each for each in found if each is not None]))


def _variance_of(project: SimulatedProject) -> float | None:
    tasks, raters = project.annotators.shape
    shape = (tasks, RESPONSES_PER_TASK, raters)
    task = np.broadcast_to(np.arange(tasks)[:, None, None], shape)
    response = RESPONSES_PER_TASK * task + np.arange(RESPONSES_PER_TASK)[:, None]
    annotator = np.broadcast_to(project.annotators[:, None], shape)
    return leaning_variance(
        project.scores[..., _HELPFULNESS].ravel(),
        response=response.ravel(),
        task=task.ravel(),
        annotator=annotator.ravel(),
    )


def _fit_noise(kappa: float, *, trial: _Trial, leaning: float) -> float:
    noise = _noise_or_none(kappa, trial=trial, leaning=leaning)
    if noise is not None:
        return noise
    most, least = (trial.kappa(noise=each, leaning=leaning) for each in (0.0, MOST_NOISE))
    if kappa > most:
        raise DataError(
            f"the pilot's kappa of {kappa:.3f} is more than this crowd reaches without any noise ({most:.3f}); lower "
            "bias_sd, careless_share or spammer_share, or say how the pilot's responses are spread (quality)"
        )
    raise DataError(
        f"the pilot's kappa of {kappa:.3f} is no more than this crowd reaches with a noise of {MOST_NOISE} levels "
        f"({least:.3f}): its annotators do not agree on helpfulness, and a plan cannot be built on them"
    )


def _noise_or_none(kappa: float, *, trial: _Trial, leaning: float) -> float | None:
    return _root(lambda noise: trial.kappa(noise=noise, leaning=leaning) - kappa, most=MOST_NOISE)


def _fit_leaning(variance: float, *, trial: _Trial, noise: float) -> float:
    """Return the leaning that explains the variance, the nearest end where none does."""

    def misses(leaning: float) -> float:
        return trial.variance(noise=noise, leaning=leaning) - variance

    found = _root(misses, most=MOST_LEANING)
    return found if found is not None else (0.0 if misses(0.0) > 0 else MOST_LEANING)


def _root(misses: Callable[[float], float], *, most: float) -> float | None:
    """Return where a monotone function of a value from 0 to `most` is 0, None where it never is."""
    first, last = misses(0.0), misses(most)
    if first * last > 0:
        return None
    return float(brentq(misses, 0.0, most, xtol=_TOLERANCE))
