"""The baselines of the real check: what any reward model must beat on helpfulness, computed the same way for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.errors import DataError
from steersman.evaluate.baselines import (
    RidgeScores,
    joint_vectors,
    length_scores,
    tfidf_ridge_scores,
    vector_ridge_scores,
)
from steersman.evaluate.pairwise import PairwiseAccuracy, check_pairs, pairwise_accuracy
from steersman.protocols import Embedder, FloatArray
from steersman.store.files import read_table
from steersman.tables import EXAMPLES

ATTRIBUTE = "helpfulness"
LONGER_WINS = "longer response wins"
TFIDF_RIDGE = "TF-IDF ridge"
EMBEDDING_RIDGE = "ridge on sentence embeddings"

# vectors of the training rows and of the validation rows, each (rows, dimensions)
Features = Mapping[str, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Scores of the validation rows, shape (rows,); `penalty` is None where nothing was fitted."""

    scores: npt.NDArray[np.float64]
    penalty: float | None


def run(
    train: Path,
    validation: Path,
    *,
    seed: int,
    rounds: int,
    features: Features | None = None,
    embedder: Embedder | None = None,
) -> dict[str, dict[str, object]]:
    """Return the pairwise accuracy on helpfulness of each baseline, by name, over pairs of two different responses.

    `train` and `validation` are examples tables, rows 2k and 2k+1 of one prompt; nothing is fitted on the second.
    Each of `features` adds a ridge baseline of its name, `embedder` one on prompt, response and their product.
    `seed` and `rounds` are those of the intervals. Raises DataError for faulty tables or unpaired rows.
    """
    train_rows, validation_rows = read_rated_pairs(train), read_rated_pairs(validation)
    found = baseline_scores(train_rows, validation_rows, features=features or {}, embedder=embedder)
    labels = validation_rows[ATTRIBUTE].to_numpy()
    texts = validation_rows["response"]
    differs = (texts.gather_every(2) != texts.gather_every(2, offset=1)).to_numpy()
    is_judged = np.repeat(differs, 2)
    results: dict[str, dict[str, object]] = {}
    for name, baseline in found.items():
        # the same generator for each, so that all intervals rest on the same resamples
        rng = np.random.default_rng(seed)
        accuracy = pairwise_accuracy(labels[is_judged], baseline.scores[is_judged], rng=rng, rounds=rounds)
        results[name] = {
            **accuracy_result(accuracy),
            "dropped_equal": int((~differs).sum()),
            "penalty": baseline.penalty,
        }
    return results


def baseline_scores(
    train: pl.DataFrame, validation: pl.DataFrame, *, features: Features, embedder: Embedder | None
) -> dict[str, Baseline]:
    """Return each baseline's scores of the validation rows, by name."""
    vectors = dict(features)
    if embedder is not None:
        vectors = {EMBEDDING_RIDGE: embedded_rows(train, validation, embedder=embedder), **vectors}
    found = {
        LONGER_WINS: Baseline(length_scores(validation["response"].to_list()), penalty=None),
        TFIDF_RIDGE: _from_ridge(tfidf_ridge_scores(train, validation, attribute=ATTRIBUTE)),
    }
    for name, (train_vectors, validation_vectors) in vectors.items():
        _check_rows(train_vectors, train, name=name, part="training")
        _check_rows(validation_vectors, validation, name=name, part="validation")
        scores = vector_ridge_scores(train, train_vectors, validation_vectors, attribute=ATTRIBUTE)
        found[name] = _from_ridge(scores)
    return found


def embedded_rows(
    train: pl.DataFrame, validation: pl.DataFrame, *, embedder: Embedder
) -> tuple[FloatArray, FloatArray]:
    """Return the joint vectors of prompt and response of both tables; each distinct text is embedded once."""
    rows = pl.concat([train.select("prompt", "response"), validation.select("prompt", "response")])
    prompts, responses = rows["prompt"].to_list(), rows["response"].to_list()
    texts = list(dict.fromkeys([*prompts, *responses]))
    vectors = embedder.embed(texts, advance=lambda _: None)
    place = {text: row for row, text in enumerate(texts)}
    joint = joint_vectors(vectors[_places(prompts, place)], vectors[_places(responses, place)]).astype(np.float32)
    return joint[: train.height], joint[train.height :]


def read_rated_pairs(path: Path) -> pl.DataFrame:
    """Return an examples table whose rows 2k and 2k+1 share a prompt, or raise DataError."""
    rows = read_table(path, table=EXAMPLES)
    check_pairs(rows["prompt"].to_list(), source=str(path))
    return rows


def accuracy_result(found: PairwiseAccuracy) -> dict[str, object]:
    """Return an accuracy (0-1) as `{"accuracy", "ci95", "pairs", "tied_labels", "tied_scores"}`."""
    return {
        "accuracy": found.accuracy.estimate,
        "ci95": [found.accuracy.low, found.accuracy.high],
        "pairs": found.accuracy.count,
        "tied_labels": found.tied_labels,
        "tied_scores": found.tied_scores,
    }


def _from_ridge(found: RidgeScores) -> Baseline:
    return Baseline(found.scores, penalty=found.penalty)


def _places(texts: Sequence[str], place: Mapping[str, int]) -> list[int]:
    return [place[text] for text in texts]


def _check_rows(vectors: FloatArray, rows: pl.DataFrame, *, name: str, part: str) -> None:
    if len(vectors) != rows.height:
        raise DataError(f"'{name}' has {len(vectors)} vectors for {rows.height} {part} rows; make the features anew")
