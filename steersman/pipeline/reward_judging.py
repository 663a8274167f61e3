"""Judge a trained reward model on its validation pairs: what it ranks right, and whether its numbers mean something.

The validation pairs chose the step (not in frozen mode), so the figures flatter a little: judge a model in the end on
pairs that no choice was made by.
Shapes: n pairs, A attributes, L levels.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from steersman.evaluate.calibration import (
    error_when_calibrated,
    label_calibration,
    level_calibration,
    probability_calibration,
)
from steersman.evaluate.pairwise import pairwise_accuracy
from steersman.evaluate.regression import error_gain, spearman
from steersman.records import text_to_messages
from steersman.reward.heads import Outputs
from steersman.reward.terms import Terms
from steersman.reward.values import level_probabilities, rewards, values

BOOTSTRAP_ROUNDS = 2000
_CALIBRATION_ROUNDS = 200

Numbers = npt.NDArray[np.float64]
Figures = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Validation pairs as they were judged: `labels` (n, 2, A), `strengths` (n,), and their prompts."""

    prompts: list[str]
    labels: Numbers
    strengths: Numbers

    @property
    def is_multi_turn(self) -> npt.NDArray[np.bool_]:
        """Whether a prompt has more than one turn, (n,)."""
        return np.array([len(text_to_messages(prompt)) > 1 for prompt in self.prompts])


def judge(outputs: Outputs, held: Held, *, terms: Terms, constants: Numbers, seed: int) -> dict[str, object]:
    """Return the figures of a model with these `outputs`, two rows per pair.

    `constants` (A,) are the mean training labels, NaN where there is none. "accuracy" and "attributes" are by
    attribute, null where there is nothing to rank or to meet; "ranking" is by what objectives of pairs rank by, beside
    stated preferences; "reward" by the reward.
    """
    spec = terms.spec
    found = values(outputs, spec=spec).double().numpy()
    has_levels = spec.kind in ("ordinal", "categorical")
    levels = level_probabilities(outputs, spec=spec).double().numpy() if has_levels else None
    accuracy: dict[str, object] = {}
    attributes: dict[str, object] = {}
    for index, name in enumerate(spec.attributes):
        labels, scores = held.labels[..., index], found[:, index].reshape(-1, 2)
        accuracy[name] = ranked(labels, scores, seed=[seed, index])
        attributes[name] = {
            **_split_by_turns(labels, scores, held=held, seed=[seed, index]),
            **_met(labels, scores, constant=constants[index], has_scale=not terms.is_pairwise, seed=[seed, index, 3]),
            **({} if levels is None else _levels(labels.ravel(), levels[:, index])),
        }
    # an output that nothing trained errs by nothing one could compare
    predicted = np.where(np.isnan(constants), np.nan, found.reshape(held.labels.shape))
    preferred = np.stack([held.strengths, np.zeros_like(held.strengths)], axis=1)
    by = {"ranking": terms.ranking(outputs), "reward": rewards(outputs, spec=spec)}
    return {
        "accuracy": accuracy,
        "attributes": attributes,
        **{
            name: _of_preferences(preferred, scores.double().numpy().reshape(-1, 2), held=held, seed=seed)
            for name, scores in by.items()
        },
        "mean_squared_error": None if terms.is_pairwise else _mean_error(held.labels, predicted),
        "constant_predictor_mse": _mean_error(held.labels, constants),
    }


def ranked(labels: Numbers, scores: Numbers, *, seed: list[int]) -> Figures | None:
    """Return the accuracy with its 95 % interval over pairs whose labels, (n, 2), are there and differ; else None."""
    is_given = ~np.isnan(labels).any(axis=1)
    given, by = labels[is_given], scores[is_given]
    if not (given[:, 0] != given[:, 1]).any():
        return None
    rng = np.random.default_rng(seed)
    found = pairwise_accuracy(given.ravel(), by.ravel(), rng=rng, rounds=BOOTSTRAP_ROUNDS)
    return {**asdict(found.accuracy), "tied_labels": found.tied_labels, "tied_scores": found.tied_scores}


def _split_by_turns(labels: Numbers, scores: Numbers, *, held: Held, seed: list[int]) -> dict[str, object]:
    is_multi = held.is_multi_turn
    return {
        "single_turn": ranked(labels[~is_multi], scores[~is_multi], seed=[*seed, 1]),
        "multi_turn": ranked(labels[is_multi], scores[is_multi], seed=[*seed, 2]),
    }


def _met(labels: Numbers, scores: Numbers, *, constant: float, has_scale: bool, seed: list[int]) -> dict[str, object]:
    """Return how outputs, (n, 2), meet labels; errors and calibration only where they are on one scale."""
    is_given = ~np.isnan(labels)
    given, by = labels[is_given], scores[is_given]
    if not given.size:
        return {}
    found: dict[str, object] = {"spearman": spearman(given, by), "labels": int(given.size)}
    if has_scale and not np.isnan(constant):
        found |= {
            "mean_squared_error": float(((given - by) ** 2).mean()),
            "constant_mean_squared_error": float(((given - constant) ** 2).mean()),
            "error_gain": _gain(labels, scores, constant=constant, seed=seed),
            "calibration": asdict(label_calibration(given, by)),
        }
    return found


def _gain(labels: Numbers, scores: Numbers, *, constant: float, seed: list[int]) -> Figures | None:
    """Return by how much the error is below the constant's, over pairs with both labels; None without such a pair."""
    is_whole = ~np.isnan(labels).any(axis=1)
    if not is_whole.any():
        return None
    rng = np.random.default_rng(seed)
    return asdict(error_gain(labels[is_whole], scores[is_whole], constant=constant, rng=rng, rounds=BOOTSTRAP_ROUNDS))


def _levels(labels: Numbers, probabilities: Numbers) -> dict[str, object]:
    is_given = ~np.isnan(labels)
    if not is_given.any():
        return {}
    return {"level_calibration": asdict(level_calibration(labels[is_given], probabilities[is_given]))}


def _of_preferences(preferred: Numbers, scores: Numbers, *, held: Held, seed: int) -> dict[str, object]:
    """Return the accuracy, and the calibration of sigmoid(gap) as the chance of the response that is scored higher."""
    strengths = preferred[:, 0]
    is_untied = ~np.isnan(strengths) & (strengths != 0)
    return {
        "accuracy": ranked(preferred, scores, seed=[seed, 1000]),
        **_split_by_turns(preferred, scores, held=held, seed=[seed, 1000]),
        "calibration": _calibration(strengths[is_untied], scores[is_untied], seed=[seed, 1000, 3]),
    }


def _calibration(strengths: Numbers, scores: Numbers, *, seed: list[int]) -> Figures | None:
    """Return how sure the gaps of `scores`, (n, 2), are and how often they are right; None without a preference."""
    if not strengths.size:
        return None
    gaps = scores[:, 0] - scores[:, 1]
    is_right = (gaps * strengths > 0).astype(np.float64)
    chances = 1 / (1 + np.exp(-np.abs(gaps)))
    rng = np.random.default_rng(seed)
    return {
        **asdict(probability_calibration(is_right, chances)),
        "error_when_calibrated": error_when_calibrated(chances, rng=rng, rounds=_CALIBRATION_ROUNDS),
    }


def _mean_error(labels: Numbers, predictions: Numbers) -> float | None:
    """Return the mean squared error over the labels that there are, each counted once; None without labels."""
    errors = (labels - predictions) ** 2
    return None if np.isnan(errors).all() else float(np.nanmean(errors))
