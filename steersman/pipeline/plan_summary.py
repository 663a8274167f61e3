"""Turn simulated projects into what to expect of one more: means, intervals, hours, costs, power.

N projects, A = 5 attributes.
"""

import math

import numpy as np
from scipy.stats import t as student

from steersman.annotation.planning import design_name
from steersman.annotation.power import crowd_sd, difference_half_width, half_width, smallest_difference, tasks_to_see
from steersman.config.planning import DesignSettings, PlanSettings
from steersman.dataset.cleaning import TASK_REASONS
from steersman.dataset.grid import FloatArray
from steersman.pipeline.plan_project import RESPONSES_PER_TASK, STAGES, Measured
from steersman.records import ATTRIBUTES
from steersman.report.plan_data import (
    CONTRASTS,
    DesignFigures,
    Expected,
    ExpectedKappa,
    HalfWidths,
    LabelError,
    PairOrder,
    PowerFigures,
    TasksNeeded,
)

NUMBERS_OF_TASKS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
_SECONDS_PER_HOUR = 3600.0
_CONFIDENCE = 0.975
_ANY = (0.0, math.inf)
_SHARE = (0.0, 1.0)
_KAPPA = (-1.0, 1.0)
_ALL = (-math.inf, math.inf)
_HELPFULNESS = ATTRIBUTES.index("helpfulness")


def design_figures(
    found: Measured, *, asked: Measured, design: DesignSettings, random: FloatArray, settings: PlanSettings
) -> DesignFigures:
    """Return what to expect of `design`, found in N projects, beside what the asked design gave in the same projects.

    `random` (4, A) is what raters who know nothing reach.
    """
    hours = _hours(found, settings=settings)
    kept_hours = np.divide(hours, found.kept, out=np.full(hours.shape, np.nan), where=found.kept > 0)
    pay = settings.pay_per_hour
    by_reason = {reason: found.dropped[:, place] for place, reason in enumerate(TASK_REASONS)}
    return DesignFigures(
        name=design_name(design),
        first=design.first,
        most=design.most,
        max_spread=design.max_spread,
        asked=design == settings.design,
        ratings=_sure(found.ratings),
        ratings_per_response=_sure(found.ratings / (RESPONSES_PER_TASK * settings.tasks)),
        tasks_extended=_sure(found.extended, within=_SHARE),
        annotators_removed=_sure(found.untrusted, within=_SHARE),
        tasks_dropped=_sure(found.dropped.sum(axis=1), within=_SHARE),
        dropped_for={reason: _sure(each, within=_SHARE) for reason, each in by_reason.items() if each.any()},
        kappa=_kappas(found, random=random),
        label_error={name: _label_error(found, attribute=index) for index, name in enumerate(ATTRIBUTES)},
        preference_order=PairOrder(*(expected(found.order[:, place], within=_SHARE) for place in range(3))),
        hours=_sure(hours),
        hours_per_kept_task=expected(kept_hours),
        cost=None if pay is None else expected(pay * hours),
        cost_per_kept_task=None if pay is None else expected(pay * kept_hours),
        against_asked={} if design == settings.design else _contrasts(found, asked=asked, settings=settings),
    )


def _hours(found: Measured, *, settings: PlanSettings) -> FloatArray:
    return found.ratings * (settings.seconds_per_rating / _SECONDS_PER_HOUR)


def _contrasts(found: Measured, *, asked: Measured, settings: PlanSettings) -> dict[str, Expected | None]:
    def figures(each: Measured) -> tuple[FloatArray, ...]:
        errors = each.errors[:, :, _HELPFULNESS]
        return errors[:, 1], errors[:, 2], each.order[:, 0], each.dropped.sum(axis=1), _hours(each, settings=settings)

    pairs = zip(CONTRASTS, figures(found), figures(asked), strict=True)
    return {name: expected(own - others, within=_ALL) for name, own, others in pairs}


def expected(values: FloatArray, *, within: tuple[float, float] = _ANY) -> Expected | None:
    """Return the mean of `values` (N,) and where one more would lie with 95 %, cut to `within`; NaNs are passed over.

    The ends are mean +- t s sqrt(1 + 1/N), t with N - 1 degrees of freedom: exact for normal values, wide for few.
    None for fewer than two values.
    """
    known = values[~np.isnan(values)]
    return _sure(known, within=within) if known.size > 1 else None


def _sure(values: FloatArray, *, within: tuple[float, float] = _ANY) -> Expected:
    """Return `expected` of two or more values that are all defined."""
    mean, number = float(values.mean()), values.size
    reach = float(student.ppf(_CONFIDENCE, number - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / number))
    return Expected(mean, max(within[0], mean - reach), min(within[1], mean + reach))


def _kappas(found: Measured, *, random: FloatArray) -> dict[str, dict[str, ExpectedKappa]]:
    return {
        name: {
            stage: ExpectedKappa(
                expected(found.kappa[:, place, index], within=_KAPPA), _known(float(random[place, index]))
            )
            for place, stage in enumerate(STAGES)
        }
        for index, name in enumerate(ATTRIBUTES)
    }


def _label_error(found: Measured, *, attribute: int) -> LabelError:
    mean_absolute, rmse, off_by_one = found.errors[:, :, attribute].T
    return LabelError(expected(mean_absolute), expected(rmse), expected(off_by_one, within=_SHARE))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def power_figures(asked: Measured, *, task_sds: FloatArray, settings: PlanSettings) -> dict[str, PowerFigures]:
    """Return how exactly kappa of the first ratings is known, by attribute; `task_sds` is (N, A).

    Attributes are left out whose kappa is not always defined, or is the same whatever the tasks.
    """
    kappas = asked.kappa[:, STAGES.index("first_three")]
    return {
        name: _power(kappas[:, index], task_sds[:, index], settings=settings)
        for index, name in enumerate(ATTRIBUTES)
        if not np.isnan(kappas[:, index]).any() and task_sds[:, index].any()
    }


def _power(kappas: FloatArray, task_sds: FloatArray, *, settings: PlanSettings) -> PowerFigures:
    task_sd = float(np.sqrt((task_sds**2).mean()))
    people = crowd_sd(float(kappas.var(ddof=1)), task_sd=task_sd, tasks=settings.tasks)
    numbers = sorted({*NUMBERS_OF_TASKS, settings.tasks})
    return PowerFigures(
        task_sd=task_sd,
        crowd_sd=people,
        half_widths=tuple(
            HalfWidths(tasks, half_width(task_sd, tasks=tasks), difference_half_width(task_sd, tasks=tasks))
            for tasks in numbers
        ),
        tasks_needed=tuple(
            TasksNeeded(
                difference,
                tasks_to_see(difference, task_sd=task_sd, power=settings.power),
                tasks_to_see(difference, task_sd=task_sd, power=settings.power, crowd_sd=people),
            )
            for difference in settings.differences
        ),
        smallest_difference=smallest_difference(task_sd, tasks=settings.tasks / 2, power=settings.power),
    )
