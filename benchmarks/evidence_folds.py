"""Splits by prompt, and the states that may be read of a frozen model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from evidence_data import Numbers, Pairs
from evidence_features import POOLINGS

from steersman.reward.spec import Pooling

FOLDS = 5
# of the mean squared gap
SCREEN_PENALTIES = (10.0, 1.0, 0.1)
_LAYER_STEP = 4

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which state is read: after so many layers, and how it is pooled."""

    layers: int
    pooling: Pooling


def readings(num_layers: int) -> tuple[Reading, ...]:
    """Return the readings that are compared: every fourth layer, the last one among them, in each way."""
    layers = range(num_layers % _LAYER_STEP or _LAYER_STEP, num_layers + 1, _LAYER_STEP)
    return tuple(Reading(*each) for each in product(layers, POOLINGS))


def folds(units: Indices, *, count: int, seed: Sequence[int]) -> Iterator[tuple[Indices, Indices]]:
    """Yield the numbers of the training and of the held-out pairs of each fold; no unit is in both."""
    names, number = np.unique(units, return_inverse=True)
    place = np.random.default_rng(list(seed)).permutation(len(names)) % count
    for fold in range(count):
        is_held_out = place[number] == fold
        yield np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def split_at(pairs: Pairs, *, count: int, seed: Sequence[int]) -> tuple[Indices, Indices]:
    """Return `count` untied pairs to train on, and the untied pairs of all other prompts, by number.

    Of the prompt at which `count` is reached, pairs may be in neither part.
    """
    untied = np.flatnonzero(pairs.strengths != 0)
    units = pairs.units[untied]
    order = np.random.default_rng(list(seed)).permutation(units.max() + 1)
    in_order = untied[np.argsort(order[units], kind="stable")]
    training = in_order[:count]
    return training, untied[~np.isin(units, pairs.units[training])]


def rows_of(pairs: Indices) -> Indices:
    """Return the two rows of each pair, in order."""
    return (2 * pairs[:, None] + np.arange(2)).ravel()


def right(scores: Numbers, strengths: Numbers) -> Numbers:
    """Return 1 where the higher score meets the preference, 0 elsewhere, a tied score among it, (P,); NaN for a tie."""
    gaps = scores[0::2] - scores[1::2]
    return np.where(strengths == 0, np.nan, (np.sign(gaps) * np.sign(strengths) > 0).astype(np.float64))


def screened(pairs: Pairs, states: npt.NDArray[np.float32], *, seeds: Sequence[int]) -> Numbers:
    """Return held-out accuracies, (seeds, penalties), of a quick ridge from gaps of `states`, (2P, D), to preferences.

    The penalties are strong, middling and weak; ties are left out.
    """
    compared = np.flatnonzero(pairs.strengths != 0)
    signs = np.sign(pairs.strengths[compared])
    gaps = (states[2 * compared] - states[2 * compared + 1]).astype(np.float64)
    hits = np.zeros((len(seeds), len(SCREEN_PENALTIES)))
    for number, seed in enumerate(seeds):
        for training, held_out in folds(pairs.units[compared], count=FOLDS, seed=[seed]):
            scale = np.sqrt((gaps[training] ** 2).mean(axis=0))
            fitted, judged = gaps[training] / scale, gaps[held_out] / scale
            kernel = fitted @ fitted.T
            size = kernel.trace() / len(kernel)
            for index, penalty in enumerate(SCREEN_PENALTIES):
                duals = np.linalg.solve(kernel + penalty * size * np.eye(len(kernel)), signs[training])
                hits[number, index] += (judged @ (fitted.T @ duals) * signs[held_out] > 0).sum()
    return hits / len(compared)
