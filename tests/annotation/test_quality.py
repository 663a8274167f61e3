"""Latent values of a planned project: their labels are spread as HelpSteer2's, or as asked."""

import numpy as np
import pytest

from steersman.annotation.quality import draw_latent, fit_quality, rounded
from steersman.config.planning import LabelSpread, QualitySettings, RelatedSpread
from steersman.dataset.published import COLUMNS
from steersman.errors import ConfigError
from steersman.records import ATTRIBUTES

TASKS = 40_000
# five standard errors of a correlation of that many responses
CLOSE = 5 / np.sqrt(2 * TASKS)


def labels(settings: QualitySettings, *, seed: int = 0) -> np.ndarray:
    """Return labels (T, 2, 5)."""
    return rounded(draw_latent(fit_quality(settings), num_tasks=TASKS, rng=np.random.default_rng(seed)))


def test_the_defaults_are_the_published_figures() -> None:
    settings = QualitySettings()
    for name in ATTRIBUTES:
        spread, published = getattr(settings, name), COLUMNS[name]
        assert (spread.mean, spread.sd) == (published.mean, published.std)
        assert getattr(spread, "correlation", 1.0) == published.pearson


def test_labels_have_the_mean_the_spread_and_the_correlation_asked_for() -> None:
    drawn = labels(QualitySettings()).reshape(-1, 5)
    for index, name in enumerate(ATTRIBUTES):
        published = COLUMNS[name]
        assert drawn[:, index].mean() == pytest.approx(published.mean, abs=CLOSE * published.std)
        assert drawn[:, index].std() == pytest.approx(published.std, abs=CLOSE * published.std)
        assert np.corrcoef(drawn[:, 0], drawn[:, index])[0, 1] == pytest.approx(published.pearson, abs=CLOSE)


def test_a_negative_correlation_can_be_asked_for() -> None:
    settings = QualitySettings(verbosity=RelatedSpread(mean=2.0, sd=0.8, correlation=-0.6))
    drawn = labels(settings).reshape(-1, 5)
    assert np.corrcoef(drawn[:, 0], drawn[:, 4])[0, 1] == pytest.approx(-0.6, abs=CLOSE)


def test_two_responses_tie_about_as_often_as_in_the_released_pairs() -> None:
    """2,335 of 8,677 released training pairs have equal helpfulness; the model takes the two as independent."""
    drawn = labels(QualitySettings())[..., 0]
    assert (drawn[:, 0] == drawn[:, 1]).mean() == pytest.approx(2335 / 8677, abs=0.03)


def test_responses_of_a_task_are_as_alike_as_asked() -> None:
    """Before the scale bends them: the correlation of log(v / (4 - v))."""
    latent = draw_latent(
        fit_quality(QualitySettings(pair_correlation=0.7)), num_tasks=TASKS, rng=np.random.default_rng(1)
    )
    straight = np.log(latent / (4 - latent))
    for index in range(5):
        correlation = np.corrcoef(straight[:, 0, index], straight[:, 1, index])[0, 1]
        assert correlation == pytest.approx(0.7, abs=5 / np.sqrt(TASKS))


def test_latent_values_lie_within_the_scale() -> None:
    latent = draw_latent(fit_quality(QualitySettings()), num_tasks=TASKS, rng=np.random.default_rng(2))
    assert latent.shape == (TASKS, 2, 5)
    assert 0 < latent.min() < 0.01
    assert 3.99 < latent.max() < 4


def test_labels_that_cannot_be_are_refused_by_name() -> None:
    """Halfway between two levels no labels spread less than 0.5; near an end none spread much."""
    for spread in (LabelSpread(mean=2.5, sd=0.2), LabelSpread(mean=3.9, sd=1.5)):
        with pytest.raises(ConfigError, match=r"quality\.helpfulness: no labels from 0 to 4 have a mean of"):
            fit_quality(QualitySettings(helpfulness=spread))


def test_a_correlation_that_cannot_be_is_refused_by_name() -> None:
    """Labels of which 1 in 25 is low and the others 4 cannot follow labels spread over the scale."""
    settings = QualitySettings(coherence=RelatedSpread(mean=3.9, sd=0.5, correlation=0.95))
    with pytest.raises(ConfigError, match=r"quality\.coherence\.correlation"):
        fit_quality(settings)
