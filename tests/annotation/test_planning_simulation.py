"""A planned project: who rates, who is asked again, and what labels are worth against the truth."""

import numpy as np
import pytest

from steersman.annotation.escalation import ratings_needed
from steersman.annotation.planning import (
    compared_designs,
    design_name,
    distinct_annotators,
    label_errors,
    order_shares,
    raters_needed,
    simulate_project,
)
from steersman.annotation.quality import fit_quality, rounded
from steersman.config.planning import DesignSettings, QualitySettings
from steersman.config.sections import CrowdSettings

QUIET = CrowdSettings(bias_sd=0.0, noise_sd=0.0, careless_share=0.0, spammer_share=0.0)


def test_every_choice_of_annotators_is_as_likely() -> None:
    """Of five annotators, ordered pairs are 20; each comes up 1 time in 20, within five standard errors."""
    chosen = distinct_annotators(40_000, raters=2, annotators=5, rng=np.random.default_rng(0))
    counts = np.bincount(5 * chosen[:, 0] + chosen[:, 1], minlength=25).reshape(5, 5)
    assert np.diag(counts).sum() == 0
    assert np.abs(counts[~np.eye(5, dtype=bool)] - 2000).max() < 5 * np.sqrt(40_000 * 0.05 * 0.95)


def test_all_annotators_rate_when_as_many_are_asked_for() -> None:
    chosen = distinct_annotators(50, raters=5, annotators=5, rng=np.random.default_rng(0))
    assert (np.sort(chosen, axis=1) == np.arange(5)).all()
    with pytest.raises(ValueError, match="6 different annotators"):
        distinct_annotators(1, raters=6, annotators=5, rng=np.random.default_rng(0))


def test_the_usual_design_asks_for_more_annotators_exactly_as_the_site_does() -> None:
    scores = np.random.default_rng(1).integers(0, 5, size=(300, 2, 5, 5))
    expected = [ratings_needed(each) for each in scores[..., 0].tolist()]
    assert raters_needed(scores, design=DesignSettings()).tolist() == expected
    assert set(expected) == {3, 5}


def test_a_design_asks_its_own_first_annotators_by_its_own_spread() -> None:
    """Two first ratings that differ by 2; a third, which a design that starts with two does not look at, by 4."""
    scores = np.zeros((1, 2, 4, 5), dtype=np.int64)
    scores[0, 1, :, 0] = [0, 2, 4, 4]
    needed = {
        (first, spread): int(raters_needed(scores, design=DesignSettings(first=first, most=4, max_spread=spread))[0])
        for first, spread in [(2, 1), (2, 2), (3, 3), (3, 4)]
    }
    assert needed == {(2, 1): 4, (2, 2): 2, (3, 3): 4, (3, 4): 3}


def test_a_crowd_without_faults_gives_the_rounded_latent_values() -> None:
    quality = fit_quality(QualitySettings())
    project = simulate_project(quality, crowd=QUIET, num_tasks=200, raters=3, rng=np.random.default_rng(2))
    assert (project.scores == rounded(project.latent)[:, :, None, :]).all()


def test_each_project_has_a_crowd_of_its_own() -> None:
    """Without noise, an annotator's mean deviation is the leaning, cut by the ends of the scale."""
    quality = fit_quality(QualitySettings())
    crowd = QUIET.model_copy(update={"annotators": 5, "bias_sd": 1.0})
    deviations = []
    for seed in (1, 2):
        project = simulate_project(quality, crowd=crowd, num_tasks=400, raters=5, rng=np.random.default_rng(seed))
        off = (project.scores - rounded(project.latent)[:, :, None, :])[..., 3].mean(axis=1)
        deviations.append([off[project.annotators == person].mean() for person in range(5)])
    assert np.std(deviations[0]) > 0.3
    assert np.abs(np.array(deviations[0]) - deviations[1]).max() > 0.2


def test_errors_of_labels_are_those_computed_by_hand() -> None:
    """Off by 0.25 and -1.5: mean 0.875, root of the mean square; 2.5 rounds to 3, so the label 1 is two levels off."""
    errors = label_errors(np.array([[2], [1]]), latent=np.array([[1.75], [2.5]]))
    assert errors.mean_absolute.tolist() == [0.875]
    assert errors.rmse == pytest.approx(np.sqrt((0.25**2 + 1.5**2) / 2))
    assert errors.off_by_one.tolist() == [0.5]


def test_pairs_are_right_wrong_or_tied() -> None:
    latent = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0], [3.0, 2.0]])
    shares = order_shares(np.array([[1, 2], [2, 1], [2, 2], [4, 0]]), latent=latent)
    assert (shares.right, shares.wrong, shares.tied) == (0.5, 0.25, 0.25)


def test_nothing_is_said_of_labels_when_no_task_is_left() -> None:
    errors = label_errors(np.empty((0, 5), dtype=np.int64), latent=np.empty((0, 5)))
    order = order_shares(np.empty((0, 2), dtype=np.int64), latent=np.empty((0, 2)))
    assert np.isnan([*errors.rmse, *errors.mean_absolute, *errors.off_by_one]).all()
    assert np.isnan([order.right, order.wrong, order.tied]).all()


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["always 3", "3 -> 5", "always 5"]),
        ({"most": 3, "max_spread": 1}, ["always 3", "3 -> 5", "always 5"]),
        ({"max_spread": 1}, ["always 3", "3 -> 5", "3 -> 5 above 1", "always 5"]),
        ({"first": 2, "most": 4}, ["2 -> 4", "always 3", "3 -> 5", "always 5"]),
    ],
)
def test_the_asked_design_stands_once_among_the_usual_ones(asked: dict[str, int], names: list[str]) -> None:
    design = DesignSettings.model_validate(asked)
    compared = compared_designs(design)
    assert [design_name(each) for each in compared] == names
    assert compared.count(design) == 1
