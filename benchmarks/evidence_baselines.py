"""Scores of what a reward model must beat, on the same folds: the longer response, TF-IDF and MiniLM under ridge."""

import hashlib
import json
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
from evidence_data import Numbers, Pairs
from evidence_folds import FOLDS, Indices, folds, rows_of

from steersman.evaluate.baselines import tfidf_ridge_scores, vector_ridge_scores
from steersman.pipeline.baselines import embedded_rows
from steersman.records import ATTRIBUTES
from steersman.store.arrays import write_array

LONGER = "longer response wins"
TFIDF = "ridge on TF-IDF"
MINILM = "ridge on MiniLM embeddings"


def baseline_scores(pairs: Pairs, *, attribute: str, seed: int, out: Path) -> dict[str, Numbers]:
    """Return held-out scores of every response by each baseline, (2P,); computed once and then read from `out`."""
    identity = [list(pairs.prompts), [list(each) for each in pairs.responses], attribute, seed]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = out / "baselines" / f"{digest}.npy"
    if not path.exists():
        rows, vectors = _rows(pairs), minilm_vectors(pairs, out=out)
        write_array(path, _held_out(rows, vectors, pairs.units, attribute=attribute, seed=seed))
    tfidf, minilm = np.load(path)
    return {LONGER: pairs.characters, TFIDF: tfidf, MINILM: minilm}


def minilm_vectors(pairs: Pairs, *, out: Path) -> npt.NDArray[np.float32]:
    """Return the joint MiniLM vectors of prompts and responses, (2P, dimensions), kept in `out`."""
    digest = hashlib.sha256(json.dumps([list(each) for each in pairs.responses]).encode()).hexdigest()[:16]
    path = out / "vectors" / f"minilm-{digest}.npy"
    if not path.exists():
        from steersman.backends.minilm import load_minilm

        rows = _rows(pairs)
        vectors, _ = embedded_rows(rows, rows.head(2), embedder=load_minilm())
        write_array(path, vectors)
    return cast("npt.NDArray[np.float32]", np.load(path))


def _rows(pairs: Pairs) -> pl.DataFrame:
    labels = cast("Numbers", pairs.labels)
    return pl.DataFrame(
        {
            "prompt": [prompt for prompt in pairs.prompts for _ in range(2)],
            "response": [text for both in pairs.responses for text in both],
            **{name: labels[:, index] for index, name in enumerate(ATTRIBUTES)},
        }
    )


def _held_out(
    rows: pl.DataFrame, vectors: npt.NDArray[np.float32], units: Indices, *, attribute: str, seed: int
) -> Numbers:
    scores = np.full((2, rows.height), np.nan)
    for training, held_out in folds(units, count=FOLDS, seed=[seed]):
        fitted, judged = rows_of(training), rows_of(held_out)
        given = rows[fitted]
        scores[0, judged] = tfidf_ridge_scores(given, rows[judged], attribute=attribute).scores
        scores[1, judged] = vector_ridge_scores(given, vectors[fitted], vectors[judged], attribute=attribute).scores
    return scores
