"""The crowd fitted to a pilot agrees as the pilot did, and noise that was put in comes out again."""

import numpy as np
import pytest

from steersman.annotation.calibration import PilotFigures, calibrate, first_ratings, leaning_variance
from steersman.annotation.planning import simulate_project
from steersman.annotation.quality import fit_quality
from steersman.config.planning import QualitySettings
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError
from steersman.stats.counts import count_tables

QUALITY = fit_quality(QualitySettings())
CROWD = CrowdSettings.model_validate({})


def pilot(kappa: float, *, tasks: int = 200, leaning: float | None = None) -> PilotFigures:
    return PilotFigures(tasks, 30, kappa, (kappa - 0.08, kappa + 0.08), leaning)


def test_noise_that_was_put_in_comes_out_again() -> None:
    """A pilot of 20,000 tasks by 400 people knows its kappa to about 0.005, and its noise to 0.02."""
    crowd = CROWD.model_copy(update={"noise_sd": 0.9, "annotators": 400})
    found = simulate_project(QUALITY, crowd=crowd, num_tasks=20_000, raters=3, rng=np.random.default_rng(0))
    counts = (found.scores[..., 0].reshape(-1, 3)[:, :, None] == np.arange(5)).sum(axis=1)
    kappa = first_ratings(count_tables(counts)).kappa
    assert kappa is not None
    figures = PilotFigures(20_000, 400, kappa, (kappa - 0.01, kappa + 0.01), None)
    fitted = calibrate(figures, crowd=CROWD, quality=QUALITY, seed=1)
    assert fitted.crowd.noise_sd == pytest.approx(0.9, abs=0.05)
    low, high = fitted.noise_interval
    assert low is not None
    assert high is not None
    assert low < fitted.crowd.noise_sd < high


def test_the_fitted_crowd_agrees_as_the_pilot_did() -> None:
    fitted = calibrate(pilot(0.465), crowd=CROWD, quality=QUALITY, seed=0)
    assert fitted.first[0].kappa == pytest.approx(0.465, abs=0.002)
    assert fitted.crowd == CROWD.model_copy(update={"noise_sd": fitted.crowd.noise_sd})
    assert not fitted.is_leaning_fitted


def test_annotators_further_from_each_other_are_fitted_with_more_leaning_and_less_noise() -> None:
    near, far = (calibrate(pilot(0.45, leaning=each), crowd=CROWD, quality=QUALITY, seed=0) for each in (0.02, 0.12))
    assert near.is_leaning_fitted
    assert near.crowd.bias_sd + 0.2 < far.crowd.bias_sd
    assert near.crowd.noise_sd > far.crowd.noise_sd
    assert near.first[0].kappa == pytest.approx(0.45, abs=0.01)
    assert far.first[0].kappa == pytest.approx(0.45, abs=0.01)


def test_a_variance_below_what_chance_gives_means_no_leaning() -> None:
    assert calibrate(pilot(0.45, leaning=-0.1), crowd=CROWD, quality=QUALITY, seed=0).crowd.bias_sd == 0


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (pilot(0.5, tasks=29), "29 tasks with two ratings of helpfulness, too few"),
        (pilot(0.9), "more than this crowd reaches without any noise"),
        (pilot(0.0), "its annotators do not agree on helpfulness"),
    ],
)
def test_a_pilot_that_nothing_can_be_fitted_to_is_refused(figures: PilotFigures, words: str) -> None:
    with pytest.raises(DataError, match=words):
        calibrate(figures, crowd=CROWD, quality=QUALITY, seed=0)


def rated_by_all(offsets: list[float], *, tasks: int) -> float | None:
    """Return the leaning variance of people who are always off by the same, on every task's two responses."""
    people = len(offsets)
    truth = np.random.default_rng(0).integers(10, 20, size=2 * tasks)
    response = np.repeat(np.arange(2 * tasks), people)
    scores = truth[response] + np.tile(np.array(offsets), 2 * tasks)
    return leaning_variance(
        scores.astype(np.int64), response=response, task=response // 2, annotator=np.tile(np.arange(people), 2 * tasks)
    )


def test_the_leaning_variance_of_people_who_are_always_off_by_the_same_is_its_usual_square() -> None:
    """Offsets -2, -1, 0, 1, 2: own less the others' mean is 5/4 of them; the median of the squares is (5/4)^2."""
    assert rated_by_all([-2, -1, 0, 1, 2], tasks=10) == pytest.approx((5 / 4) ** 2)


def test_one_annotator_far_off_does_not_decide_the_leaning_variance() -> None:
    """Off by -1, -1, 1, 1, 0 and 90: the others' mean moves by 90 / 5 for all but the last, who is not the median."""
    offsets = np.array([-1, -1, 1, 1, 0, 90])
    deviations = offsets - (offsets.sum() - offsets) / 5
    assert rated_by_all(offsets.tolist(), tasks=10) == pytest.approx(np.median(deviations**2))


def test_too_few_shared_tasks_tell_nothing_of_leaning() -> None:
    """Two responses a task: n tasks give an annotator 4 n^2 - 4 n products, and 40 are needed: 24 are too few."""
    assert rated_by_all([-1, -1, 0, 1, 1], tasks=3) is None
    assert rated_by_all([-1, -1, 0, 1, 1], tasks=4) is not None
    assert rated_by_all([-1, 0, 0, 1], tasks=50) is None


def test_noise_alone_gives_no_leaning_variance() -> None:
    crowd = CrowdSettings(annotators=20, bias_sd=0.0, noise_sd=1.0, careless_share=0.0, spammer_share=0.0)
    found = simulate_project(QUALITY, crowd=crowd, num_tasks=3000, raters=3, rng=np.random.default_rng(3))
    task, response = np.repeat(np.arange(3000), 6), np.repeat(np.arange(6000), 3)
    annotator = np.repeat(found.annotators[:, None], 2, axis=1).ravel()
    variance = leaning_variance(found.scores[..., 0].ravel(), response=response, task=task, annotator=annotator)
    assert variance == pytest.approx(0.0, abs=0.003)
