"""The figures of the evidence, from held-out scores: accuracies with intervals, errors, calibration, curves.

The pair is the unit of every interval. A figure over several seeds is, for each pair, the mean over the seeds; so the
interval tells of the choice of pairs, and `spread` of the choice of folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from evidence_baselines import BASELINES
from evidence_data import Numbers, Pairs
from evidence_folds import FOLDS, Indices, Reading, right, rows_of, split_at
from evidence_heads import OBJECTIVES, strengths_of
from evidence_plan import COMPARED_PAIRS, SEEDS
from evidence_runs import CORPORA, HELPFULNESS, Arrays, corpus

from steersman.evaluate.calibration import LabelCalibration, label_calibration, probability_calibration
from steersman.evaluate.regression import spearman
from steersman.records import ATTRIBUTES
from steersman.stats.bootstrap import Interval, bootstrap_mean

ROUNDS = 10_000
# regression and ordinal heads predict labels, the others the logit of a preference
_PREDICTS_LABELS = ("regression", "ordinal")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share of pairs ranked right, its interval over pairs, and the least and greatest of the seeds."""

    interval: Interval
    spread: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scorer:
    """How one scorer does on HelpSteer2; `gain` is on helpfulness, over the best baseline, on the same pairs.

    `turns` are accuracies on helpfulness of single-turn and of multi-turn prompts. What does not apply is None.
    """

    name: str
    accuracies: Mapping[str, Accuracy]
    gain: Interval | None
    turns: tuple[Interval, Interval]
    spearman: float
    errors: Mapping[str, tuple[float, float]] | None
    label_calibration: LabelCalibration | None
    expected_error: float | None


def held_out(found: Sequence[Arrays], key: str, *, rows: int) -> Numbers:
    """Return the scores of all rows, (rows, attributes), that the folds of one seed gave under `key`."""
    columns = np.atleast_2d(found[0][key].T).shape[0]
    scores = np.full((rows, columns), np.nan)
    for each in found:
        scores[rows_of(each["held_out"].astype(np.int64))] = each[key].reshape(-1, columns)
    return scores


def by_seed(found: Sequence[Arrays]) -> list[Sequence[Arrays]]:
    """Return the arrays of all folds of each seed."""
    return [found[start : start + FOLDS] for start in range(0, len(found), FOLDS)]


def accuracy(hits: Numbers) -> Accuracy:
    """Return the accuracy of hits, (seeds, P), NaN where labels tie."""
    counted = hits[:, ~np.isnan(hits[0])]
    shares = counted.mean(axis=1)
    return Accuracy(_mean(counted.mean(axis=0)), (float(shares.min()), float(shares.max())))


def scorers(heads: Sequence[Arrays], baselines: Sequence[Arrays]) -> list[Scorer]:
    """Return the baselines and the heads of every objective, judged on HelpSteer2."""
    pairs = corpus(CORPORA[0])
    given = {name: (baselines, name) for name in BASELINES} | {name: (heads, name) for name in OBJECTIVES}
    hits = {name: _hits(pairs, found, key) for name, (found, key) in given.items()}
    best = max(BASELINES, key=lambda name: float(np.nanmean(hits[name][HELPFULNESS])))
    return [_scorer(name, found, hits, pairs=pairs, best=best) for name, (found, _) in given.items()]


def _hits(pairs: Pairs, found: Sequence[Arrays], key: str) -> dict[str, Numbers]:
    """Return hits by attribute, (seeds, P); a baseline has seeds only where it predicts that attribute."""
    hits: dict[str, list[Numbers]] = {name: [] for name in ATTRIBUTES}
    for one in by_seed(found):
        scores = held_out(one, key, rows=2 * len(pairs))
        for index in range(scores.shape[1]):
            name = ATTRIBUTES[index]
            hits[name].append(right(scores[:, index], strengths_of(pairs, name)))
    return {name: np.stack(each) for name, each in hits.items()}


def _scorer(
    name: str, found: Sequence[Arrays], hits: Mapping[str, Mapping[str, Numbers]], *, pairs: Pairs, best: str
) -> Scorer:
    own = hits[name][HELPFULNESS].mean(axis=0)
    is_untied = pairs.strengths != 0
    is_multi = pairs.is_multi_turn[is_untied]
    gains = own[is_untied] - hits[best][HELPFULNESS].mean(axis=0)[is_untied]
    labels = pairs.labels
    if labels is None:
        raise ValueError("HelpSteer2 has labels")
    values = [held_out(one, name, rows=len(labels)) for one in by_seed(found)]
    return Scorer(
        name=name,
        accuracies={attribute: accuracy(each) for attribute, each in hits[name].items()},
        gain=_mean(gains) if name in OBJECTIVES else None,
        turns=(_mean(own[is_untied][~is_multi]), _mean(own[is_untied][is_multi])),
        # within each fold: heads of pairs have a zero of their own in each
        spearman=float(np.mean([_fold_spearman(labels[:, 0], each, name) for each in found])),
        errors=_errors(labels, values, [held_out(one, "constant", rows=len(labels)) for one in by_seed(found)])
        if name in _PREDICTS_LABELS
        else None,
        label_calibration=label_calibration(labels[:, 0], values[0][:, 0]) if name in _PREDICTS_LABELS else None,
        expected_error=_expected_error(pairs, values) if name in OBJECTIVES and name not in _PREDICTS_LABELS else None,
    )


def _fold_spearman(labels: Numbers, found: Arrays, key: str) -> float:
    rows = rows_of(found["held_out"].astype(np.int64))
    return spearman(labels[rows], found[key].reshape(len(rows), -1)[:, 0]) or 0.0


def _errors(labels: Numbers, values: Sequence[Numbers], constants: Sequence[Numbers]) -> dict[str, tuple[float, float]]:
    """Return by attribute the mean squared error of values and of the training mean, both over seeds."""
    own = np.mean([((each - labels) ** 2).mean(axis=0) for each in values], axis=0)
    constant = np.mean([((each - labels) ** 2).mean(axis=0) for each in constants], axis=0)
    return {name: (float(own[index]), float(constant[index])) for index, name in enumerate(ATTRIBUTES)}


def _expected_error(pairs: Pairs, values: Sequence[Numbers]) -> float:
    """Return the expected calibration error of sigmoid(gap) on helpfulness, mean over seeds."""
    is_untied = pairs.strengths != 0
    errors = []
    for each in values:
        gaps = (each[0::2, 0] - each[1::2, 0])[is_untied]
        found = probability_calibration(pairs.strengths[is_untied] > 0, 1 / (1 + np.exp(-gaps)))
        errors.append(found.expected_error)
    return float(np.mean(errors))


def helpfulness_accuracy(found: Sequence[Arrays], key: str) -> Accuracy:
    """Return the accuracy on HelpSteer2's helpfulness of what tasks of all folds gave under `key`."""
    pairs = corpus(CORPORA[0])
    hits = [right(held_out(one, key, rows=2 * len(pairs))[:, 0], pairs.strengths) for one in by_seed(found)]
    return accuracy(np.stack(hits))


@dataclass(frozen=True, slots=True)
class Judged:
    """Accuracy of one training corpus on one set of pairs: mean, least and greatest of the seeds, pairs per seed."""

    mean: float
    spread: tuple[float, float]
    pairs: int


def transfers(found: Mapping[str, Sequence[Arrays]]) -> dict[str, dict[str, Judged]]:
    """Return, by corpus trained on and set judged on, how a head does there; of a corpus, on prompts left out."""
    return {source: _judged(each) for source, each in found.items()}


def _judged(found: Sequence[Arrays]) -> dict[str, Judged]:
    judged: dict[str, Judged] = {}
    for name in CORPORA:
        pairs = corpus(name)
        subsets = sorted(set(pairs.subsets)) if name == CORPORA[-1] else [pairs.name]
        for subset in subsets:
            shares, count = [], 0
            for seed, each in zip(SEEDS, found, strict=True):
                kept = _judged_pairs(name, pairs, subset, seed=seed)
                hits = right(each[name], pairs.strengths)[kept]
                shares.append(float(np.nanmean(hits)))
                count = len(kept)
            judged[subset] = Judged(float(np.mean(shares)), (min(shares), max(shares)), count)
    return judged


def _judged_pairs(name: str, pairs: Pairs, subset: str, *, seed: int) -> Indices:
    if name == CORPORA[-1]:
        return np.flatnonzero(np.array(pairs.subsets) == subset)
    _, others = split_at(pairs, count=COMPARED_PAIRS, seed=[seed])
    return others


def best_reading(screens: Mapping[str, Mapping[Reading, float]]) -> Reading:
    """Return the reading with the highest accuracy in the mean over corpora."""
    first = next(iter(screens.values()))
    return max(first, key=lambda reading: np.mean([found[reading] for found in screens.values()]))


def _mean(values: Numbers) -> Interval:
    return bootstrap_mean(values, rng=np.random.default_rng(0), rounds=ROUNDS)
