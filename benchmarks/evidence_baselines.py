"""What a reward model must beat, on the same splits: the longer response, TF-IDF and MiniLM under ridge."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
from evidence_data import Numbers, Pairs
from evidence_folds import Indices, rows_of

from steersman.evaluate.baselines import tfidf_ridge_scores, vector_ridge_scores
from steersman.pipeline.baselines import embedded_rows
from steersman.records import ATTRIBUTES
from steersman.store.arrays import write_array

LONGER = "longer response wins"
TFIDF = "ridge on TF-IDF"
MINILM = "ridge on MiniLM embeddings"
BASELINES = (LONGER, TFIDF, MINILM)


def fitted_baselines(
    pairs: Pairs, training: Indices, held_out: Indices, *, attributes: Sequence[str], out: Path
) -> dict[str, Numbers]:
    """Return the held-out scores of each baseline, (2 x held-out, attributes)."""
    rows, vectors = _rows(pairs), minilm_vectors(pairs, out=out)
    fitted, judged = rows_of(training), rows_of(held_out)
    given, asked = rows[fitted], rows[judged]
    tfidf = [tfidf_ridge_scores(given, asked, attribute=name).scores for name in attributes]
    minilm = [
        vector_ridge_scores(given, vectors[fitted], vectors[judged], attribute=name).scores for name in attributes
    ]
    longer = np.repeat(pairs.characters[judged][:, None], len(attributes), axis=1)
    return {LONGER: longer, TFIDF: np.stack(tfidf, axis=1), MINILM: np.stack(minilm, axis=1)}


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
