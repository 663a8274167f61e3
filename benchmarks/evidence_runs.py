"""The fits behind the evidence: small tasks that each give arrays, run side by side and kept on disk.

A task sees the training pairs of its split only: the penalty and the head are chosen and fitted there.
What a task gave is kept under --out by its own description; remove the folder to fit anew.
"""

import io
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from evidence_baselines import fitted_baselines
from evidence_data import Numbers, Pairs, helpsteer2, hh_rlhf, open_assistant, reward_bench
from evidence_features import Features, features_of
from evidence_folds import FOLDS, folds, rows_of, split_at
from evidence_heads import OBJECTIVES, PREFERENCE, Objective, fit_head

from steersman.config.reward import POINTWISE
from steersman.records import ATTRIBUTES
from steersman.reward.spec import Pooling
from steersman.store.files import write_bytes

HELPFULNESS = ATTRIBUTES[0]
_DRAWN_PAIRS = 600
_DRAW_SEED = 1
CORPORA = ("helpsteer2", "open-assistant", "hh-rlhf", "rewardbench")

Arrays = Mapping[str, npt.NDArray[np.float64]]
Kind = Literal["heads", "baselines", "curve", "transfer"]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: on which split, and for the kinds that need it, with what.

    `layers` and `pooling` say what is read, `corpus` what is trained on, `pairs` on how many pairs at most (0: all of
    the split's).
    """

    kind: Kind
    seed: int
    fold: int = 0
    pairs: int = 0
    layers: int = -1
    pooling: Pooling = "mean"
    corpus: str = CORPORA[0]
    objective: Objective = "scaled"
    attributes: int = len(ATTRIBUTES)

    @property
    def name(self) -> str:
        """A name for the file of its arrays."""
        return "-".join(str(value) for value in astuple(self))


@dataclass(frozen=True, slots=True)
class Place:
    """Where features and results are kept, and of which model."""

    out: Path
    model: str

    def file(self, task: Task) -> Path:
        """The file of a task's arrays."""
        return self.out / "fits" / f"{task.name}.npz"


@lru_cache
def corpus(name: str) -> Pairs:
    """Return the pairs of one of CORPORA; of the large ones, prompts drawn until there are 600 pairs."""
    if name == "helpsteer2":
        return helpsteer2()
    if name == "open-assistant":
        return open_assistant(most=_DRAWN_PAIRS, seed=_DRAW_SEED)
    if name == "hh-rlhf":
        return hh_rlhf(most=_DRAWN_PAIRS, seed=_DRAW_SEED)
    return reward_bench(seed=_DRAW_SEED)


@lru_cache
def features(name: str, place: Place) -> Features:
    """Return the features of the responses of a corpus."""
    return features_of(corpus(name), model=place.model, out=place.out)


def results(tasks: Sequence[Task], place: Place, *, workers: int) -> list[Arrays]:
    """Return the arrays of each task, in order; what is kept is not done again."""
    missing = [task for task in dict.fromkeys(tasks) if not place.file(task).exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number, task in enumerate(pool.map(_do, missing, [place] * len(missing)), start=1):
            print(f"{number} of {len(missing)} fits: {task}", flush=True)
    return [dict(np.load(place.file(task))) for task in tasks]


def _do(task: Task, place: Place) -> str:
    # two fits side by side at one thread each are faster than one at two
    torch.set_num_threads(1)
    began = time.process_time()
    found = _KINDS[task.kind](task, place)
    whole = io.BytesIO()
    np.savez(whole, allow_pickle=False, **found, seconds=np.array(time.process_time() - began))
    write_bytes(place.file(task), whole.getvalue())
    return task.name


def heads(task: Task, place: Place) -> Arrays:
    """Return held-out values of one fold by each objective: (rows, attributes), and levels of the ordinal head.

    An objective of pairs is fitted once per attribute.
    """
    pairs, given = corpus(task.corpus), features(task.corpus, place)
    training, held_out = _fold(task, pairs)
    states = given.at(layers=task.layers, pooling=task.pooling)
    fitted, judged = states[rows_of(training)], states[rows_of(held_out)]
    found: dict[str, Numbers] = {"held_out": held_out.astype(np.float64)}
    for objective in OBJECTIVES:
        if objective in POINTWISE:
            head = fit_head(objective, fitted, pairs, training, attribute=HELPFULNESS)
            found[objective] = head.values(judged)
            found[f"{objective} levels"] = head.levels(judged)
        else:
            of_each = [fit_head(objective, fitted, pairs, training, attribute=name) for name in ATTRIBUTES]
            found[objective] = np.concatenate([head.values(judged) for head in of_each], axis=1)
    labels = cast("Numbers", pairs.labels)
    found["constant"] = np.broadcast_to(labels[rows_of(training)].mean(axis=0), (len(judged), len(ATTRIBUTES)))
    return found


def baselines(task: Task, place: Place) -> Arrays:
    """Return held-out predictions of the first `task.attributes` attributes by the baselines, (rows, attributes)."""
    pairs = corpus(task.corpus)
    training, held_out = _fold(task, pairs)
    names = ATTRIBUTES[: task.attributes]
    kept = fitted_baselines(pairs, _some(task, pairs, training), held_out, attributes=names, out=place.out)
    return {"held_out": held_out.astype(np.float64), **kept}


def curve(task: Task, place: Place) -> Arrays:
    """Return held-out helpfulness of one fold by an objective that saw `task.pairs` training pairs, (rows,)."""
    pairs, given = corpus(task.corpus), features(task.corpus, place)
    training, held_out = _fold(task, pairs)
    some = _some(task, pairs, training)
    states = given.at(layers=task.layers, pooling=task.pooling)
    head = fit_head(task.objective, states[rows_of(some)], pairs, some, attribute=HELPFULNESS)
    return {"held_out": held_out.astype(np.float64), "scores": head.values(states[rows_of(held_out)])[:, 0]}


def transfer(task: Task, place: Place) -> Arrays:
    """Return, by corpus, the scores of all its responses by a head fitted to preferences of `task.corpus` alone."""
    pairs, given = corpus(task.corpus), features(task.corpus, place)
    training, _ = split_at(pairs, count=task.pairs, seed=[task.seed])
    states = given.at(layers=task.layers, pooling=task.pooling)[rows_of(training)]
    head = fit_head(task.objective, states, pairs, training, attribute=PREFERENCE)
    judged = {name: features(name, place).at(layers=task.layers, pooling=task.pooling) for name in CORPORA}
    return {name: head.values(states)[:, 0] for name, states in judged.items()}


_KINDS = {"heads": heads, "baselines": baselines, "curve": curve, "transfer": transfer}


def _fold(task: Task, pairs: Pairs) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return list(folds(pairs.units, count=FOLDS, seed=[task.seed]))[task.fold]


def _some(task: Task, pairs: Pairs, training: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return so many of the untied training pairs as the task says, drawn by its seed, or all with 0."""
    if not task.pairs:
        return training
    untied = training[pairs.strengths[training] != 0]
    return np.sort(np.random.default_rng([task.seed, task.fold]).permutation(untied)[: task.pairs])
