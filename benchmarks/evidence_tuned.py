"""Models whose layers are trained, on one split of HelpSteer2, by the command line as a user would train them."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from evidence_data import Numbers, Pairs
from evidence_folds import FOLDS, Indices, Reading, folds, right, rows_of
from evidence_heads import Objective
from evidence_runs import HELPFULNESS, Place, corpus
from helpsteer2_reward import steersman

from steersman.records import ATTRIBUTES
from steersman.store.files import read_json, read_rows, write_json, write_jsonl, write_text
from steersman.tables import Column, Table

SPLIT_SEED = 1
MAX_TOKENS = 1024
_DEVELOPMENT_EVERY = 10
_SCORES = Table("scores", {HELPFULNESS: Column("number")})


@dataclass(frozen=True, slots=True)
class Way:
    """What is trained: by which objective, and which layers."""

    objective: Objective
    mode: str
    reading: Reading
    learning_rate: float = 1e-5
    layers: int | None = None
    epochs: int = 1

    @property
    def name(self) -> str:
        """A name for its folder, and for the table."""
        trained = {"frozen": "the head", "full": "all"}.get(self.mode) or f"the upper {self.layers}"
        return f"{self.objective}: {trained} of {self.reading.layers} layers"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run gave: hits on the held-out pairs, (P,), NaN for ties, and what it took.

    `cpu_seconds` are of training and of scoring the held-out pairs, on all cores together.
    """

    hits: Numbers
    pairs: int
    dropped_long: int
    steps: int
    best_step: int | None
    cpu_seconds: float


def split(fold: int) -> tuple[Indices, Indices]:
    """Return the training and the held-out pairs of a fold of the evidence's first seed."""
    return tuple(folds(corpus("helpsteer2").units, count=FOLDS, seed=[SPLIT_SEED]))[fold]


def trained(way: Way, *, seed: int, fold: int, place: Place) -> Trained:
    """Return a model trained and judged, from the folder of an earlier run where there is one.

    Every tenth training pair is set aside to choose the step by.
    """
    name = f"{way.name.replace(':', '').replace(' ', '-')}-{_digest(way, model=place.model)}"
    folder = place.out / name / f"seed-{seed}-fold-{fold}"
    facts = folder / "facts.json"
    if not facts.exists():
        _train(way, folder, seed=seed, fold=fold, model=place.model)
    found = cast("dict[str, object]", read_json(facts))
    scores = np.array([row[HELPFULNESS] for row in read_rows(folder / "scores.jsonl", table=_SCORES)], dtype=float)
    _, held_out = split(fold)
    return Trained(
        hits=right(scores, corpus("helpsteer2").strengths[held_out]),
        pairs=cast("int", found["train_pairs"]),
        dropped_long=cast("int", found["dropped_long"]),
        steps=cast("int", found["steps"]),
        best_step=cast("int | None", found.get("best_step")),
        cpu_seconds=cast("float", found["cpu_seconds"]),
    )


def _train(way: Way, folder: Path, *, seed: int, fold: int, model: str) -> None:
    pairs = corpus("helpsteer2")
    training, held_out = split(fold)
    is_development = np.arange(len(training)) % _DEVELOPMENT_EVERY == 0
    parts = {"train": training[~is_development], "development": training[is_development], "held-out": held_out}
    for name, part in parts.items():
        write_jsonl(folder / f"{name}.jsonl", _rows(pairs, part))
    config = {
        "seed": seed,
        "data": {"train": str(folder / "train.jsonl"), "validation": str(folder / "development.jsonl")},
        "reward": {
            "model": model,
            "backbone_layers": way.reading.layers,
            "pooling": way.reading.pooling,
            "attributes": [HELPFULNESS],
            "weights": {HELPFULNESS: 1.0},
            "objectives": [{"name": way.objective}],
            "max_tokens": MAX_TOKENS,
            "tune": {"mode": way.mode} | ({"layers": way.layers} if way.layers else {}),
            "optimiser": {"learning_rate": way.learning_rate, "epochs": way.epochs, "batch_pairs": 8},
            "evaluate_every": 10,
        },
    }
    # JSON is YAML
    write_text(folder / "config.yaml", json.dumps(config, indent=1))
    run = folder / "run"
    before = _cpu_seconds_of_children()
    facts = dict(steersman("train", "reward", str(folder / "config.yaml"), "--out", str(run)))
    steersman("score", str(run), str(folder / "held-out.jsonl"), "--out", str(folder / "scores.jsonl"))
    write_json(folder / "facts.json", facts | {"cpu_seconds": _cpu_seconds_of_children() - before})
    # a copy of the model per seed is not needed any more
    shutil.rmtree(run)


def _rows(pairs: Pairs, part: Indices) -> Sequence[Mapping[str, object]]:
    labels = cast("Numbers", pairs.labels)
    return [
        {"prompt": pairs.prompts[row // 2], "response": pairs.responses[row // 2][row % 2]}
        | dict(zip(ATTRIBUTES, labels[row].tolist(), strict=True))
        for row in rows_of(part).tolist()
    ]


def _digest(way: Way, *, model: str) -> str:
    # all that decides a run, of which the name of its way tells a part
    return hashlib.sha256(repr((model, way, MAX_TOKENS)).encode()).hexdigest()[:8]


def _cpu_seconds_of_children() -> float:
    found = os.times()
    return found.children_user + found.children_system
