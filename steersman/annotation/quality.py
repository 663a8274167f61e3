"""How good the responses are that a planned project will rate: latent values whose labels are spread as asked.

A latent value is 4 / (1 + exp(-x)), as that of the modelled crowd, here with x = centre + width * z and z standard
normal. Centre and width are such that latent values, rounded to the scale, have the mean and standard deviation asked
for; z of an attribute and of helpfulness are correlated such that the rounded values have the Pearson correlation asked
for. Attributes other than helpfulness go together only as far as each goes with helpfulness.

T tasks of two responses, A = 5 attributes with helpfulness first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, least_squares
from scipy.special import ndtr, ndtri

from steersman.config.planning import LabelSpread, QualitySettings, RelatedSpread
from steersman.errors import ConfigError
from steersman.records import ATTRIBUTES, MAX_SCORE, NUM_LEVELS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESPONSES_PER_TASK = 2
_LEVELS = np.arange(NUM_LEVELS, dtype=np.float64)
# where a latent value goes from one label to the next, before the logistic function
_STEPS = np.log((_LEVELS[:-1] + 0.5) / (MAX_SCORE - 0.5 - _LEVELS[:-1]))
_STRONGEST = 0.9999
_WIDTHS = (0.02, 30.0)
_FARTHEST = 40.0
_TOLERANCE = 1e-3
_SLICES = 4_000


@dataclass(frozen=True, slots=True)
class Quality:
    """How latent values are drawn: `centre`, `width` and `loading`, the correlation of z with helpfulness's, (A,)."""

    centre: FloatArray
    width: FloatArray
    loading: FloatArray
    pair_correlation: float


def fit_quality(settings: QualitySettings) -> Quality:
    """Return the distribution whose labels are spread as `settings` ask.

    Raises ConfigError that names the attribute when no such distribution exists.
    """
    spreads: dict[str, LabelSpread] = {name: getattr(settings, name) for name in ATTRIBUTES}
    shapes = {name: _fit_shape(spread, attribute=name) for name, spread in spreads.items()}
    helpfulness = shapes[ATTRIBUTES[0]]
    loadings = [
        _fit_loading(helpfulness, shapes[name], correlation=spread.correlation, attribute=name)
        if isinstance(spread, RelatedSpread)
        else 1.0
        for name, spread in spreads.items()
    ]
    return Quality(
        centre=np.array([shape[0] for shape in shapes.values()]),
        width=np.array([shape[1] for shape in shapes.values()]),
        loading=np.array(loadings),
        pair_correlation=settings.pair_correlation,
    )


def draw_latent(quality: Quality, *, num_tasks: int, rng: np.random.Generator) -> FloatArray:
    """Return latent values, shape (T, 2, A), each above 0 and below 4."""
    attributes = len(ATTRIBUTES)
    common = rng.standard_normal((num_tasks, 1, attributes))
    own = rng.standard_normal((num_tasks, RESPONSES_PER_TASK, attributes))
    shared = quality.pair_correlation
    drawn = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own
    # helpfulness has the loading 1, and nothing of its own beside it
    z = quality.loading * drawn[..., :1] + np.sqrt(1.0 - quality.loading**2) * drawn
    return np.asarray(MAX_SCORE / (1.0 + np.exp(-(quality.centre + quality.width * z))))


def rounded(latent: FloatArray) -> IntArray:
    """Return the labels that annotators without any fault would give, halves rounded up as by the crowd."""
    return np.asarray(np.floor(latent + 0.5), dtype=np.int64)


def _fit_shape(spread: LabelSpread, *, attribute: str) -> tuple[float, float]:
    """Return centre and width."""

    def misses(shape: FloatArray) -> FloatArray:
        mean, sd = _moments(float(shape[0]), float(np.exp(shape[1])))
        return np.array([mean - spread.mean, sd - spread.sd])

    start = [np.log(spread.mean / (MAX_SCORE - spread.mean)), np.log(4.0 * spread.sd / MAX_SCORE)]
    bounds = ([-_FARTHEST, np.log(_WIDTHS[0])], [_FARTHEST, np.log(_WIDTHS[1])])
    found = least_squares(misses, start, bounds=bounds)
    if np.abs(found.fun).max() > _TOLERANCE:
        raise ConfigError(
            f"quality.{attribute}: no labels from 0 to {MAX_SCORE} have a mean of {spread.mean} and a standard "
            f"deviation of {spread.sd}; change one of the two"
        )
    return float(found.x[0]), float(np.exp(found.x[1]))


def _moments(centre: float, width: float) -> tuple[float, float]:
    """Return mean and standard deviation of the labels."""
    above = ndtr((centre - _STEPS) / width)
    shares = -np.diff(np.concatenate([[1.0], above, [0.0]]))
    mean = float(shares @ _LEVELS)
    return mean, float(np.sqrt(shares @ (_LEVELS - mean) ** 2))


def _fit_loading(
    helpfulness: tuple[float, float], other: tuple[float, float], *, correlation: float, attribute: str
) -> float:
    """Return how z of the two must be correlated for their labels to be."""

    def misses(loading: float) -> float:
        return _label_correlation(helpfulness, other, loading=loading) - correlation

    if misses(-_STRONGEST) > 0 or misses(_STRONGEST) < 0:
        raise ConfigError(
            f"quality.{attribute}.correlation: labels with these means and standard deviations cannot have a "
            f"correlation of {correlation} with those of helpfulness; choose one nearer to 0"
        )
    return float(brentq(misses, -_STRONGEST, _STRONGEST, xtol=1e-6))


def _label_correlation(helpfulness: tuple[float, float], other: tuple[float, float], *, loading: float) -> float:
    # helpfulness in slices of equal probability; in each of them the other attribute's mean is known exactly
    z = ndtri((np.arange(_SLICES) + 0.5) / _SLICES)
    labels = (helpfulness[0] + helpfulness[1] * z[:, None] > _STEPS).sum(axis=1)
    spare = other[1] * np.sqrt(1.0 - loading**2)
    others = ndtr((other[0] + other[1] * loading * z[:, None] - _STEPS) / spare).sum(axis=1)
    covariance = float((labels * others).mean() - labels.mean() * others.mean())
    return covariance / (_moments(*helpfulness)[1] * _moments(*other)[1])
