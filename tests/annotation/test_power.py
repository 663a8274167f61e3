"""How many tasks it takes to see a difference, checked by simulating that many tasks again and again."""

import numpy as np
import pytest

from steersman.annotation.planning import SimulatedProject, simulate_project
from steersman.annotation.power import (
    CONFIDENCE_Z,
    crowd_sd,
    difference_half_width,
    half_width,
    smallest_difference,
    tasks_to_see,
)
from steersman.annotation.quality import fit_quality
from steersman.config.planning import QualitySettings
from steersman.config.sections import CrowdSettings
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables
from steersman.stats.influence import kappa_group_sd

QUALITY = fit_quality(QualitySettings())


def project(*, noise: float, tasks: int, rng: np.random.Generator, **faults: float) -> SimulatedProject:
    """Return three ratings a response of annotators who are all alike, but for `faults`."""
    alike = {"annotators": 20, "bias_sd": 0.0, "careless_share": 0.0, "spammer_share": 0.0}
    crowd = CrowdSettings.model_validate({**alike, "noise_sd": noise, **faults})
    return simulate_project(QUALITY, crowd=crowd, num_tasks=tasks, raters=3, rng=rng)


def kappa_and_task_sd(found: SimulatedProject) -> tuple[float, float]:
    counts = (found.scores[..., 0].reshape(-1, 3)[:, :, None] == np.arange(5)).sum(axis=1)
    kappa = pooled_kappa(count_tables(counts), weights="quadratic").value
    groups = np.repeat(np.arange(found.latent.shape[0]), 2)
    task_sd = kappa_group_sd(counts, unit_groups=groups, weights="quadratic")
    assert kappa is not None
    assert task_sd is not None
    return kappa, task_sd


def test_the_promised_power_is_what_simulated_comparisons_reach() -> None:
    """Two versions, one with less noise; a share of 300 comparisons is known to 4 sqrt(0.8 0.2 / 300) = 0.09."""
    rng = np.random.default_rng(0)
    (worse, task_sd), (better, _) = (
        kappa_and_task_sd(project(noise=each, tasks=60_000, rng=rng)) for each in (1, 0.75)
    )
    tasks = tasks_to_see(better - worse, task_sd=task_sd, power=0.8)
    assert tasks is not None
    seen = 0
    for _ in range(300):
        (one, sd), (other, other_sd) = (
            kappa_and_task_sd(project(noise=each, tasks=tasks, rng=rng)) for each in (1, 0.75)
        )
        seen += other - one > CONFIDENCE_Z * np.hypot(sd, other_sd) / np.sqrt(tasks)
    assert seen / 300 == pytest.approx(0.8, abs=0.09)


def test_the_part_of_the_crowd_is_found_in_simulated_projects() -> None:
    """Where crowds lean, kappa varies more between projects than tasks explain; where all are alike it does not."""
    rng = np.random.default_rng(1)
    parts = {}
    for leaning in (0.0, 0.8):
        found = np.array(
            [kappa_and_task_sd(project(noise=0.6, tasks=400, rng=rng, bias_sd=leaning)) for _ in range(150)]
        )
        parts[leaning] = crowd_sd(found[:, 0].var(ddof=1), task_sd=float(found[:, 1].mean()), tasks=400)
    assert parts[0.0] < 0.012 < 0.02 < parts[0.8]


def test_tasks_needed_and_smallest_difference_undo_each_other() -> None:
    tasks = tasks_to_see(0.05, task_sd=0.5, power=0.9, crowd_sd=0.005)
    assert tasks is not None
    just_seen = [smallest_difference(0.5, tasks=each, power=0.9, crowd_sd=0.005) for each in (tasks - 1, tasks)]
    assert just_seen[0] > 0.05 >= just_seen[1]


def test_no_number_of_tasks_outweighs_the_difference_between_crowds() -> None:
    """At a power of 0.8 a difference is seen when it is (1.96 + 0.84) sqrt(2) of the crowd's part, or more."""
    threshold = (1.959964 + 0.841621) * np.sqrt(2) * 0.03
    assert tasks_to_see(threshold * 0.999, task_sd=0.5, power=0.8, crowd_sd=0.03) is None
    assert tasks_to_see(threshold * 1.001, task_sd=0.5, power=0.8, crowd_sd=0.03) is not None


def test_intervals_shrink_with_the_root_of_the_number_of_tasks() -> None:
    assert half_width(0.5, tasks=400) == pytest.approx(1.959964 * 0.5 / 20, rel=1e-6)
    assert half_width(0.5, tasks=1600) == pytest.approx(half_width(0.5, tasks=400) / 2)
    assert difference_half_width(0.5, tasks=400) == pytest.approx(np.sqrt(2) * half_width(0.5, tasks=400))


def test_a_crowd_that_explains_less_than_nothing_explains_nothing() -> None:
    assert crowd_sd(0.5**2 / 100 - 1e-6, task_sd=0.5, tasks=100) == 0
    assert crowd_sd(0.5**2 / 100 + 0.02**2, task_sd=0.5, tasks=100) == pytest.approx(0.02)
