"""Cross-validation by prompt for heads on frozen features: what is chosen is chosen inside the training folds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from evidence_data import Numbers, Pairs
from evidence_features import Features

from steersman.reward.spec import Pooling

FOLDS = 5
INNER_FOLDS = 4

Indices = npt.NDArray[np.int64]
# (features of the training responses, their labels or gaps, penalty) -> scores of other features, (2P,)
Fitted = Callable[[npt.NDArray[np.float32]], Numbers]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which state is read: after so many layers, and how it is pooled."""

    layers: int
    pooling: Pooling


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen before a head is judged: the reading and the strength of the penalty."""

    reading: Reading
    penalty: float


# (features (2P, D), pairs by number, penalty) -> a scorer of features
Fit = Callable[[npt.NDArray[np.float32], Indices, float], Fitted]


def folds(units: Indices, *, count: int, seed: Sequence[int]) -> Iterator[tuple[Indices, Indices]]:
    """Yield the numbers of the training and of the held-out pairs of each fold; no unit is in both."""
    names, number = np.unique(units, return_inverse=True)
    place = np.random.default_rng(list(seed)).permutation(len(names)) % count
    for fold in range(count):
        is_held_out = place[number] == fold
        yield np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def rows_of(pairs: Indices) -> Indices:
    """Return the two rows of each pair, in order."""
    return (2 * pairs[:, None] + np.arange(2)).ravel()


def right(scores: Numbers, strengths: Numbers) -> Numbers:
    """Return 1 where the higher score meets the preference, 0 elsewhere, a tied score among it, (P,); NaN for a tie."""
    gaps = scores[0::2] - scores[1::2]
    return np.where(strengths == 0, np.nan, (np.sign(gaps) * np.sign(strengths) > 0).astype(np.float64))


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """Scores of every pair by a head that has not seen its prompt, (2P,), and what was chosen in each fold."""

    scores: Numbers
    choices: tuple[Choice, ...]


def cross_validate(
    pairs: Pairs, features: Features, *, fit: Fit, choices: Sequence[Choice], seed: int
) -> CrossValidated:
    """Return held-out scores of every pair; each fold's choice is made by cross-validation inside its training part."""
    scores = np.full(2 * len(pairs), np.nan)
    chosen = []
    for fold, (training, held_out) in enumerate(folds(pairs.units, count=FOLDS, seed=[seed])):
        choice = _best(pairs, features, training, fit=fit, choices=choices, seed=[seed, fold])
        values = features.at(layers=choice.reading.layers, pooling=choice.reading.pooling)
        fitted = fit(values[rows_of(training)], training, choice.penalty)
        scores[rows_of(held_out)] = fitted(values[rows_of(held_out)])
        chosen.append(choice)
    return CrossValidated(scores, tuple(chosen))


def _best(
    pairs: Pairs,
    features: Features,
    training: Indices,
    *,
    fit: Fit,
    choices: Sequence[Choice],
    seed: Sequence[int],
) -> Choice:
    if len(choices) == 1:
        return choices[0]
    accuracies = np.array([0.0] * len(choices))
    splits = list(folds(pairs.units[training], count=INNER_FOLDS, seed=seed))
    values: npt.NDArray[np.float32] = np.empty(0, dtype=np.float32)
    before: Reading | None = None
    for index, choice in enumerate(choices):
        if choice.reading != before:
            before = choice.reading
            values = features.at(layers=before.layers, pooling=before.pooling)[rows_of(training)]
        found = np.full(len(training), np.nan)
        for inner, left_out in splits:
            fitted = fit(values[rows_of(inner)], training[inner], choice.penalty)
            found[left_out] = right(fitted(values[rows_of(left_out)]), pairs.strengths[training[left_out]])
        accuracies[index] = np.nanmean(found)
    return choices[int(accuracies.argmax())]
