"""How many tasks it takes to see that agreement differs between two versions of the guidelines.

Kappa of n tasks has the variance `task_sd`^2 / n + `crowd_sd`^2: the chance of the tasks shrinks with n, that of the
crowd which happened to be hired does not. Two versions are rated on n tasks each, all of them different. Where the same
people rate both, what is peculiar to them is in both figures and cancels; where each version has a crowd of its own, it
is there twice. The test is two-sided at 5 %, and both versions are taken to vary alike.
"""

import math

from scipy.special import ndtri

CONFIDENCE_Z = float(ndtri(0.975))


def half_width(task_sd: float, *, tasks: float) -> float:
    """Return half of the 95 % interval of kappa over tasks, the crowd as it is: what `steersman agreement` shows."""
    return CONFIDENCE_Z * task_sd / math.sqrt(tasks)


def difference_half_width(task_sd: float, *, tasks: float, crowd_sd: float = 0.0) -> float:
    """Return half of the 95 % interval of the difference of two kappas of `tasks` tasks each.

    `crowd_sd` is 0 for the same people twice.
    """
    return CONFIDENCE_Z * _difference_sd(task_sd, tasks=tasks, crowd_sd=crowd_sd)


def smallest_difference(task_sd: float, *, tasks: float, power: float, crowd_sd: float = 0.0) -> float:
    """Return the difference in kappa that `tasks` tasks per version show with the chance `power`."""
    return (CONFIDENCE_Z + float(ndtri(power))) * _difference_sd(task_sd, tasks=tasks, crowd_sd=crowd_sd)


def tasks_to_see(difference: float, *, task_sd: float, power: float, crowd_sd: float = 0.0) -> int | None:
    """Return how many tasks per version show `difference` with the chance `power`; None where no number does.

    The chance to reject in the wrong direction is left out: it is below 1 in 100,000 at a power of one half.
    """
    allowed = (difference / (CONFIDENCE_Z + float(ndtri(power)))) ** 2 - 2.0 * crowd_sd**2
    return math.ceil(2.0 * task_sd**2 / allowed) if allowed > 0 else None


def crowd_sd(total_variance: float, *, task_sd: float, tasks: int) -> float:
    """Return how much kappa varies from crowd to crowd, from its variance over projects with a crowd each."""
    return math.sqrt(max(0.0, total_variance - task_sd**2 / tasks))


def _difference_sd(task_sd: float, *, tasks: float, crowd_sd: float) -> float:
    return math.sqrt(2.0 * (task_sd**2 / tasks + crowd_sd**2))
